"""Since when a Valkey remembers: what scripts know before they give anything away. Pure text."""

from __future__ import annotations

SINCE = b"{forebay}:since"
"""The key that holds it, the first that each such script is given."""

# `now` is milliseconds; 0 asks for the server's own clock. One that has just begun, or whose clock went back, may have
# forgotten: it begins anew.
AGE = """\
if now == 0 then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
local since = tonumber(redis.call('GET', KEYS[1]) or '')
if not since or since > now then
  redis.call('SET', KEYS[1], string.format('%.0f', now))
  since = now
end"""
