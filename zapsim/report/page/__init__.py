"""A result as a page to send: one HTML file with everything in it, which needs no network (extra ``report``)."""
