"""What the Redis store runs in the server: each a step that nobody can come between.

KEYS of a grant: 1 the grant itself, 2 the live ones of its scope, 3 the scope's fencing number,
4 and 5 its queue and until when each place is kept, 6 all scopes. What is kept of a token is its
SHA-1. Names that depend on what a script finds are made in it, so a plain server is needed.
"""

from __future__ import annotations

_COMMON = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function settling(ttl)
  local up = string.match(redis.call('INFO', 'server'), 'uptime_in_seconds:(%d+)')
  return up * 1000 - 1000 < ttl and ttl + 1000 - up * 1000 or 0
end
"""

_GRANT = (
    _COMMON
    + """
local function grant(name, mine, owner, ttl, fence, scope)
  redis.call('HSET', KEYS[1], 'token', mine, 'owner', owner, 'fence', fence)
  redis.call('PEXPIRE', KEYS[1], ttl)
  redis.call('ZADD', KEYS[2], now + ttl, name)
  redis.call('SADD', KEYS[6], scope)
end
"""
)

# ARGV: name, token, owner, ttl, the highest fencing number seen, take over, limit, scope, ticket.
ACQUIRE = (
    _GRANT
    + """
local name, mine, ttl = ARGV[1], redis.sha1hex(ARGV[2]), tonumber(ARGV[4])
local take_over, limit = ARGV[6] == '1', tonumber(ARGV[7])
local held = redis.call('HMGET', KEYS[1], 'token', 'owner', 'fence')
if held[1] == mine then
  grant(name, mine, ARGV[3], ttl, held[3], ARGV[8])
  return {'granted', held[3]}
end
if held[1] and not take_over then return {'held', held[2]} end
if not take_over then
  local left = settling(ttl)
  if left > 0 then return {'settling', tostring(left)} end
end
if limit > 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', now)) do
    redis.call('ZREM', KEYS[4], gone)
    redis.call('ZREM', KEYS[5], gone)
  end
  local ahead = redis.call('ZRANK', KEYS[4], mine)
  local waits = ahead and true or false
  if not waits then ahead = redis.call('ZCARD', KEYS[4]) end
  if redis.call('ZCARD', KEYS[2]) + ahead >= limit then
    if not waits then
      local last = redis.call('ZRANGE', KEYS[4], -1, -1, 'WITHSCORES')
      redis.call('ZADD', KEYS[4], (tonumber(last[2]) or 0) + 1, mine)
    end
    local kept = tonumber(ARGV[9])
    redis.call('ZADD', KEYS[5], now + kept, mine)
    redis.call('PEXPIRE', KEYS[4], kept)
    redis.call('PEXPIRE', KEYS[5], kept)
    return {'full', tostring(ahead)}
  end
  redis.call('ZREM', KEYS[4], mine)
  redis.call('ZREM', KEYS[5], mine)
end
-- Higher than any before, also those of a server that has forgotten them.
local before = tonumber(redis.call('GET', KEYS[3])) or 0
local fence = string.format('%.0f', math.max(before, tonumber(ARGV[5]), now * 1000) + 1)
redis.call('SET', KEYS[3], fence)
grant(name, mine, ARGV[3], ttl, fence, ARGV[8])
return {'granted', fence}
"""
)

# ARGV: name, token, owner, ttl, fencing number, scope.
RENEW = (
    _GRANT
    + """
local mine, ttl = redis.sha1hex(ARGV[2]), tonumber(ARGV[4])
local held = redis.call('HMGET', KEYS[1], 'token', 'fence')
if held[1] then
  if held[1] ~= mine or held[2] ~= ARGV[5] then return 0 end
elseif settling(ttl) == 0 then
  return 0
end
local before = tonumber(redis.call('GET', KEYS[3])) or 0
if before < tonumber(ARGV[5]) then redis.call('SET', KEYS[3], ARGV[5]) end
grant(ARGV[1], mine, ARGV[3], ttl, ARGV[5], ARGV[6])
return 1
"""
)

# ARGV: name, token.
RELEASE = """
if redis.call('HGET', KEYS[1], 'token') ~= redis.sha1hex(ARGV[2]) then return 0 end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return 1
"""

# KEYS: the grant. ARGV: token, fencing number.
IS_HELD = """
local held = redis.call('HMGET', KEYS[1], 'token', 'fence')
return held[1] == redis.sha1hex(ARGV[1]) and held[2] == ARGV[2] and 1 or 0
"""

# KEYS: the secret. ARGV: the one that was known so far, or nothing; a new one; ttl.
SECRET = (
    _COMMON
    + """
local kept = redis.call('GET', KEYS[1])
if kept then return kept end
if ARGV[1] == '' and settling(tonumber(ARGV[3])) > 0 then return '' end
local chosen = ARGV[1] ~= '' and ARGV[1] or ARGV[2]
redis.call('SET', KEYS[1], chosen)
return chosen
"""
)

# KEYS: history, lines, messages and open requests of a gateway. ARGV: session, history, lines,
# messages as JSON, seconds for which history, messages, and lines and open requests are kept, the
# names of the session's requests that are open and that have ended, as JSON.
USE = (
    _COMMON
    + """
local function keep(key, names)
  for _, name in ipairs(cjson.decode(names)) do
    redis.call('ZADD', key, now + ARGV[7] * 1000, name .. ' ' .. ARGV[1])
  end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  redis.call('EXPIRE', key, ARGV[7])
end
for number, one in ipairs(cjson.decode(ARGV[2])) do
  local at = now - math.floor(one[1] * 1000)
  local what = one[3] .. ':' .. one[4]
  local name = string.format('%.0f:%d:%d:%s:%s', now, number, one[2], what, ARGV[1])
  redis.call('ZADD', KEYS[1], at, name)
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[5] * 1000)
redis.call('EXPIRE', KEYS[1], ARGV[5])
for _, held in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  if string.sub(held, -string.len(ARGV[1])) == ARGV[1] then redis.call('ZREM', KEYS[2], held) end
end
keep(KEYS[2], ARGV[3])
local second = math.floor(now / 1000)
for _, one in ipairs(cjson.decode(ARGV[4])) do
  redis.call('HINCRBY', KEYS[3], string.format('%d', second - one[1]), one[2])
end
for _, kept in ipairs(redis.call('HKEYS', KEYS[3])) do
  if tonumber(kept) < second - ARGV[6] then redis.call('HDEL', KEYS[3], kept) end
end
redis.call('EXPIRE', KEYS[3], ARGV[6])
for _, name in ipairs(cjson.decode(ARGV[9])) do
  redis.call('ZREM', KEYS[4], name .. ' ' .. ARGV[1])
end
keep(KEYS[4], ARGV[8])
return 1
"""
)

# KEYS: history and open requests. ARGV: session, weight, what, limit, seconds for which it is kept,
# and within which the same again is too early; series, its limit and seconds; how many may be open,
# this one's name, and for how many seconds it is taken for open. Returns for how many milliseconds
# it is too early, by which limit, and whether too many are open.
TAKE_TURN = (
    _COMMON
    + """
local wait, limited, mine = 0, '', tonumber(ARGV[2])
local function wait_until(at, limit)
  if at - now > wait then wait, limited = at - now, limit end
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[5] * 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
local function until_room(found, limit, seconds, name)
  local used = mine
  for _, one in ipairs(found) do used = used + one.weight end
  for _, one in ipairs(found) do
    if used <= limit then break end
    used = used - one.weight
    wait_until(one.at + seconds * 1000, name)
  end
end
if mine > 0 then
  local all, together = {}, {}
  local rows = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
  for at = 1, #rows, 2 do
    local weight, what, series = string.match(rows[at], '^%d+:%d+:(%d+):([^:]*):([^:]*):')
    local one = {weight = tonumber(weight), at = tonumber(rows[at + 1])}
    table.insert(all, one)
    if what == ARGV[3] then wait_until(one.at + ARGV[6] * 1000, 'identical') end
    if series == ARGV[7] and one.at > now - ARGV[9] * 1000 then table.insert(together, one) end
  end
  until_room(all, tonumber(ARGV[4]), ARGV[5], 'history')
  until_room(together, tonumber(ARGV[8]), ARGV[9], 'burst')
end
local full = redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[10]) and 1 or 0
if wait <= 0 and full == 0 then
  redis.call('ZADD', KEYS[2], now + ARGV[12] * 1000, ARGV[11] .. ' ' .. ARGV[1])
  redis.call('EXPIRE', KEYS[2], ARGV[12])
  if mine > 0 then
    local name = string.format('%.0f:%d:%d:', now, redis.call('ZCARD', KEYS[1]), mine)
    redis.call('ZADD', KEYS[1], now, name .. ARGV[3] .. ':' .. ARGV[7] .. ':' .. ARGV[1])
    redis.call('EXPIRE', KEYS[1], ARGV[5])
  end
end
return {tostring(wait), limited, full}
"""
)

# KEYS: as of USE. What came and went since the last USE is told apart by whoever reads it.
COUNTS = (
    _COMMON
    + """
return {
  tostring(now / 1000),
  redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES'),
  redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. now, '+inf'),
  redis.call('HGETALL', KEYS[3]),
  redis.call('ZCOUNT', KEYS[4], '(' .. now, '+inf'),
}
"""
)

# KEYS: the live ones of a scope. ARGV: how the keys of its grants begin.
HELD = (
    _COMMON
    + """
local found = {}
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf')) do
  local one = redis.call('HMGET', ARGV[1] .. name, 'owner', 'fence')
  if one[1] then
    table.insert(found, name)
    table.insert(found, one[2])
    table.insert(found, one[1])
  end
end
return found
"""
)

# KEYS: the notebook's. ARGV: how the keys of IDs begin, notebook, preferred, lowest, highest, and
# for how many seconds an ID that nobody uses is kept.
CLIENT_ID = """
local known, kept = redis.call('GET', KEYS[1]), ARGV[6]
if known and redis.call('GET', ARGV[1] .. known) == ARGV[2] then
  redis.call('EXPIRE', KEYS[1], kept)
  redis.call('EXPIRE', ARGV[1] .. known, kept)
  return known
end
local first, lowest, size = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5] - ARGV[4] + 1
for step = 0, size - 1 do
  local one = string.format('%d', lowest + (first - lowest + step) % size)
  if redis.call('SET', ARGV[1] .. one, ARGV[2], 'NX', 'EX', kept) then
    redis.call('SET', KEYS[1], one, 'EX', kept)
    return one
  end
end
return ARGV[3]
"""
