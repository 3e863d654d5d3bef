"""Reads users' files of rows, in any common format and encoding. Each row keeps its place.

`read_rows` takes a file, a folder or a pattern. Every error names the file and the line or row.
"""
