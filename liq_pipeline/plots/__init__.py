"""Pictures of a day as small PNG files: pure functions of rows.

matplotlib takes up to a second to import: nobody imports these modules before there is something to draw.
"""
