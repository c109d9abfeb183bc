"""The authority over leased limits: a script that Valkey runs as one step. Pure text."""

from __future__ import annotations

from forebay.store.valkey_age import AGE

# One hash a limit, one field a worker: "hold kept until_ms keep_ms sequence". Every statement is absolute, so a lost
# answer, a repeated statement or a Valkey that forgot is mended by the next one. Numbers stay below 2^53, where Lua's
# doubles are exact. A hold that is not renewed counts until its lease ends, then what the worker said is kept.
STATE = (
    f"local now = tonumber(ARGV[1])\n{AGE}"
    + """
local me, sequence, lease = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
-- Whoever forgot everything must hear from all workers before it gives anything away.
local warming = now - since < lease
local reply = {now, warming and 1 or 0}
for i = 2, #KEYS do
  local at = 4 + (i - 2) * 5
  local limit, floor, want = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local kept, keep = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
  local others, stale = 0, nil
  local fields = redis.call('HGETALL', KEYS[i])
  for j = 1, #fields, 2 do
    local hold, rest, ends, stay, number = string.match(fields[j + 1], '^(%d+) (%d+) (%d+) (%d+) (%d+)$')
    if fields[j] == me then
      if number and tonumber(number) > sequence then stale = tonumber(hold) end
    elseif not hold then
      redis.call('HDEL', KEYS[i], fields[j])
    elseif now <= tonumber(ends) then
      others = others + tonumber(hold)
    elseif now <= tonumber(ends) + tonumber(stay) and tonumber(rest) > 0 then
      others = others + tonumber(rest)
    else
      redis.call('HDEL', KEYS[i], fields[j])
    end
  end
  local hold = stale
  if not hold then
    hold = floor
    if not warming then hold = math.max(floor, math.min(want, limit - others)) end
    if kept < 0 then kept = hold end
    if hold == 0 and kept == 0 then
      redis.call('HDEL', KEYS[i], me)
    else
      redis.call('HSET', KEYS[i], me,
        string.format('%.0f %.0f %.0f %.0f %.0f', hold, kept, now + lease, keep, sequence))
      local left = redis.call('PTTL', KEYS[i])
      if left < lease + keep then redis.call('PEXPIRE', KEYS[i], string.format('%.0f', lease + keep + 1000)) end
    end
  end
  reply[#reply + 1] = hold
  reply[#reply + 1] = others
end
return reply
"""
)
