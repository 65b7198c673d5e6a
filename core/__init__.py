"""Face verification for events, without any user interface.

``core`` never imports Streamlit or Starlette; the pages and the HTTP routes sit on top of it.
"""

__version__ = "0.2.0"
