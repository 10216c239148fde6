"""The folder LIQ_ARCHIVE_DIR: which file holds what day of what, which are imported, and where to get more.

``layout`` says what a path means, ``scan`` finds the files, ``progress`` knows what became of them, ``landing`` lands
those of a day, ``addresses`` names what can be downloaded.
"""
