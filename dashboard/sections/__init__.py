"""The sections of each page, which the page's script puts together."""
