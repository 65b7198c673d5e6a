"""The rules and the records, which know of no service, file or setting."""
