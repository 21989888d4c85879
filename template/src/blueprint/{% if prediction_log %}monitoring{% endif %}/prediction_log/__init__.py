"""The log of predictions: what was asked, what was answered, and later what was true.

`observer` hands the server's requests to `writer`, which makes files of them with `table`; `files`
says where they lie, `labels` adds what was true, `reading.scan` gives all of it to who compares.
"""
