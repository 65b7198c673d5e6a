"""How both registration stores find words in names and e-mails."""

#: The characters that separate words, for use inside brackets in a regular expression: all of ASCII (but NUL) and
#: Latin-1 that are not letters or digits, and other Unicode punctuation and spaces. Written out because MongoDB's
#: \w and \b know only ASCII, and SQLite has neither.
WORD_SEPARATORS = "\x01-/:-@\\[-`{-\xbf\u2000-\u206f\u3000"
