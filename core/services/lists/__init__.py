"""Lists of people as organisers have them, as CSV text or a workbook, and what they say of whom.

``decoding`` turns bytes into text, ``csv_tables`` and ``sheets`` turn a file into a ``tables.Table``, ``headers``
understands its columns by ``meanings``, ``ids`` tells ids that a spreadsheet damaged, ``people`` reads the lines,
``events`` and ``dates`` what they say of events, and ``plan`` says what an import would do.
"""
