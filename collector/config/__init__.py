"""From files to typed configuration: reading, merging, substituting, decoding, reporting."""
