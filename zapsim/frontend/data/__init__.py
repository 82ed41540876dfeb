"""Images for networks: picture files, arrays, and what is done to them."""
