"""Claims in Valkey: scripts that run as one step each. Pure text."""

from __future__ import annotations

from forebay.store.valkey_age import AGE

# KEYS: since, the claim, its tenant's claims by when they end, kept answers oldest first, bytes of kept answers.
# ARGV: what to do, now (0: the server's), lease_ms, keep_ms, id, token, fingerprint, keys, memory, answer.
# A claim without `lease` is finished. Nothing but `keep` frees one whose lease ended: whether its call was answered
# nobody knows. Whoever forgot everything must hear from all workers before it gives a key away. One with `erased` ran
# while somebody was erased: its answer is not kept.
CLAIMS = (
    f"local now, lease, keep = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])\n{AGE}"
    + """
local what, id, token, fingerprint = ARGV[1], ARGV[5], ARGV[6], ARGV[7]
local found = redis.call('HMGET', KEYS[2], 'token', 'fingerprint', 'lease')
local function remember()
  redis.call('PEXPIRE', KEYS[2], keep)
  redis.call('ZADD', KEYS[3], string.format('%.0f', now + keep), id)
  redis.call('PEXPIRE', KEYS[3], keep)
end
local function hold()
  redis.call('HSET', KEYS[2], 'token', token, 'fingerprint', fingerprint, 'lease', string.format('%.0f', now + lease))
  remember()
end
if what == 'claim' then
  if not found[1] then
    if now - since < lease then return {'warming'} end
    redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', string.format('%.0f', now))
    if redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[8]) then return {'full'} end
    hold()
    return {'new'}
  end
  if found[2] ~= fingerprint then return {'mismatch'} end
  if found[3] then
    return {now <= tonumber(found[3]) and 'running' or 'undecided'}
  end
  local answer = redis.call('HGET', KEYS[2], 'answer')
  if answer then return {'answered', answer} end
  return {'finished'}
end
if what == 'renew' then
  if not found[1] or (found[1] == token and found[3]) then hold() end
  return {'told'}
end
if found[1] ~= token or not found[3] then return {'told'} end
if what == 'free' then
  redis.call('DEL', KEYS[2])
  redis.call('ZREM', KEYS[3], id)
  return {'told'}
end
redis.call('HDEL', KEYS[2], 'lease')
remember()
local size = #ARGV[10]
if redis.call('HDEL', KEYS[2], 'erased') == 1 then size = 0 end
if size > 0 then
  redis.call('HSET', KEYS[2], 'answer', ARGV[10])
  redis.call('RPUSH', KEYS[4], string.format('%.0f %d %s', now + keep, size, KEYS[2]))
  local held = redis.call('INCRBY', KEYS[5], size)
  while held > 0 do
    local oldest = redis.call('LINDEX', KEYS[4], 0)
    if not oldest then break end
    local ends, bytes, name = string.match(oldest, '^(%d+) (%d+) (.*)$')
    if held <= tonumber(ARGV[9]) and tonumber(ends) > now then break end
    redis.call('LPOP', KEYS[4])
    held = redis.call('DECRBY', KEYS[5], bytes)
    if tonumber(ends) > now then redis.call('HDEL', name, 'answer') end
  end
end
return {'told'}
"""
)

# KEYS: a claim.
ERASE = """
if redis.call('HEXISTS', KEYS[1], 'lease') == 1 then redis.call('HSET', KEYS[1], 'erased', '1') end
return redis.call('HDEL', KEYS[1], 'answer')
"""
"""Its answer goes; that of one that runs will not be kept."""
