"""What `liq top` shows: what happens now, read from Redis in one exchange per refresh, as a picture of characters.

``moment`` is what is shown, ``reading`` and ``tables`` find it out, ``picture`` draws it, ``screen`` is the terminal.
"""
