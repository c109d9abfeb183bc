"""An open-loop load generator on raw protocols; needs nothing but uvloop, orjson and msgspec.

`measure(target, workload)` is all that other parts call.
"""
