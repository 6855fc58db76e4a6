import { createHash } from 'node:crypto';
import { KNOWN_AFTER_EXPIRY, MOST_OF_USER, MOST_TICKETS } from '../replicas/ticket-memory.js';

/** A Lua script, which Redis runs as one atomic step. */
export interface Script {
  readonly text: string;
  /** The hash by which Redis knows the script after the first run. */
  readonly sha: string;
}

function script(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

/**
 * Most replicas that a script looks up one by one: a hundred such look-ups take 170 microseconds, and one list of all replicas
 * takes 40.
 */
const MOST_SINGLE = 8;

// Each script gets the same first keys. All times are from the clock of Redis, since the clocks of replicas may differ.
//
// Members of `replicas` are ids (name#letters#number) with their expiry. No id begins with "#", so two other members are possible: "#"
// shows that the key was not lost, and "#ID" is a replica that is writing its counts and is about to join.
const HEAD = `
local replicas, epoch, filling, last = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local id = ARGV[1]
local asked, living = 0, nil
local function alive(one)
  asked = asked + 1
  if asked > ${MOST_SINGLE} and not living then
    living = {}
    for _, each in ipairs(redis.call('ZRANGEBYSCORE', replicas, '(' .. now, '+inf')) do living[each] = true end
  end
  if living then return living[one] end
  local expiry = redis.call('ZSCORE', replicas, one)
  return expiry and tonumber(expiry) > now
end
local function known() return redis.call('EXISTS', epoch) == 1 and alive(id) end
-- A value of another type affects one name alone. Any other failure, such as a full memory, is returned, and the replica joins again.
local function failure(result)
  return type(result) == 'table' and result.err and not string.find(result.err, 'WRONGTYPE') and result
end
local function lastEnd()
  local value = redis.pcall('GET', last)
  return type(value) == 'string' and value or '0-0'
end
local function state()
  local ids = {}
  for _, one in ipairs(redis.call('ZRANGEBYSCORE', replicas, '(' .. now, '(+inf')) do
    if string.sub(one, 1, 1) ~= '#' then ids[#ids + 1] = one end
  end
  return { now, lastEnd(), ids }
end
`;

/** The number of keys that each script gets first. */
export const HEAD_KEYS = 4;

/**
 * Adds a replica. Arguments: id, the prefix of all ids of this process, ttl and recovery in milliseconds. Earlier ids of the process
 * are removed, since a join whose answer was lost may have taken effect. Returns the state, and whether the store was empty.
 */
export const JOIN = script(`${HEAD}
if redis.call('TYPE', replicas).ok ~= 'zset' then redis.call('DEL', replicas) end
redis.call('ZREMRANGEBYSCORE', replicas, '-inf', now)
for _, one in ipairs(redis.call('ZRANGE', replicas, 0, -1)) do
  local own = string.sub(one, 1, 1) == '#' and string.sub(one, 2) or one
  if string.sub(own, 1, #ARGV[2]) == ARGV[2] then redis.call('ZREM', replicas, one) end
end
local isEmpty = 0
if redis.call('EXISTS', epoch) == 0 or not redis.call('ZSCORE', replicas, '#') then
  isEmpty = 1
  redis.call('SET', epoch, now)
  redis.call('SET', filling, now, 'PX', ARGV[4])
end
redis.call('ZADD', replicas, now + ARGV[3], id, '+inf', '#')
local answer = state()
answer[4] = isEmpty
return answer
`);

/**
 * A heartbeat, which renews the lease. Arguments: id, ttl in milliseconds. Returns the state, and whether the store knows the
 * replica.
 */
export const BEAT = script(`${HEAD}
local isKnown = known() and 1 or 0
if isKnown == 1 then redis.call('ZADD', replicas, now + ARGV[2], id) end
redis.call('ZREMRANGEBYSCORE', replicas, '-inf', now)
local answer = state()
answer[4] = isKnown
return answer
`);

/**
 * Time (milliseconds) after the store was emptied in which no slot is given as long as a replica is still writing its counts. A
 * hundred replicas with ten thousand tunnels each need ten seconds.
 */
const FILL_WITHIN = 60_000;

/**
 * Several requests for slots, in order. Keys: a hash for each name. Arguments: id, expiry of the hashes in milliseconds, and for each
 * request the number of its names and the limit of each name. Returns 'unknown' or 'filling', or else the id of the last end, and for
 * each request 'taken', 'full' with the index of the name, or 'broken' with the reason. Counts of dead replicas are removed: otherwise
 * the hash of a name that is always in use would grow with each replica that ever lived.
 */
export const TAKE = script(`${HEAD}
if not known() then return { 'unknown' } end
local function isFilling()
  if redis.call('PTTL', filling) > 0 then return true end
  local emptied = redis.pcall('GET', epoch)
  if type(emptied) ~= 'string' or now - (tonumber(emptied) or 0) > ${FILL_WITHIN} then return false end
  for _, one in ipairs(redis.call('ZRANGEBYSCORE', replicas, '(' .. now, '(+inf')) do
    if string.sub(one, 1, 1) == '#' then return true end
  end
  return false
end
if isFilling() then return { 'filling' } end
local isAlive = {}
local function usedOf(key, counts)
  local used = 0
  for at = 1, #counts, 2 do
    local one = counts[at]
    if isAlive[one] == nil then isAlive[one] = alive(one) or false end
    if isAlive[one] then used = used + (tonumber(counts[at + 1]) or 0)
    elseif not alive('#' .. one) then redis.call('HDEL', key, one) end
  end
  return used
end
local answer = { lastEnd() }
local key, arg = ${HEAD_KEYS + 1}, 3
while key <= #KEYS do
  local size = tonumber(ARGV[arg])
  local kind, detail = 'taken', 0
  for at = 0, size - 1 do
    local counts = redis.pcall('HGETALL', KEYS[key + at])
    if counts.err then
      kind, detail = 'broken', KEYS[key + at] .. ': ' .. counts.err
      break
    end
    if usedOf(KEYS[key + at], counts) >= tonumber(ARGV[arg + 1 + at]) then
      kind, detail = 'full', at
      break
    end
  end
  for at = 0, kind == 'taken' and size - 1 or -1 do
    redis.call('HINCRBY', KEYS[key + at], id, 1)
    redis.call('PEXPIRE', KEYS[key + at], ARGV[2])
  end
  answer[#answer + 1] = kind
  answer[#answer + 1] = detail
  key = key + size
  arg = arg + 1 + size
end
return answer
`);

/** Changes counts. Keys: a hash for each name. Arguments: id, expiry in milliseconds, the change of each count. */
export const ADJUST = script(`${HEAD}
for index = ${HEAD_KEYS + 1}, #KEYS do
  local count = redis.pcall('HINCRBY', KEYS[index], id, ARGV[index - ${HEAD_KEYS} + 2])
  if failure(count) then return count end
  if type(count) == 'number' then
    if count <= 0 then redis.call('HDEL', KEYS[index], id) end
    redis.call('PEXPIRE', KEYS[index], ARGV[2])
  end
end
return 1
`);

/** Time (milliseconds) for a replica to join after a write of its counts. */
const JOIN_WITHIN = 300_000;

/**
 * Writes counts before a join. Keys: a hash for each name. Arguments: id of the replica, expiry in milliseconds, the count of each
 * name.
 */
export const WRITE = script(`${HEAD}
redis.pcall('ZADD', replicas, now + ${JOIN_WITHIN}, '#' .. id)
for index = ${HEAD_KEYS + 1}, #KEYS do
  local written = redis.pcall('HSET', KEYS[index], id, ARGV[index - ${HEAD_KEYS} + 2])
  if failure(written) then return written end
  redis.pcall('PEXPIRE', KEYS[index], ARGV[2])
end
return 1
`);

/**
 * Raises counts that are too low, since the store may have lost a key. Keys: a hash for each name. Arguments: id, expiry in
 * milliseconds, the least count of each name. A higher count stays: it may include slots whose answer has not reached the replica yet.
 */
export const RAISE = script(`${HEAD}
if not known() then return 0 end
for index = ${HEAD_KEYS + 1}, #KEYS do
  local least = ARGV[index - ${HEAD_KEYS} + 2]
  local count = redis.pcall('HGET', KEYS[index], id)
  if type(count) ~= 'table' then
    if (tonumber(count or 0) or 0) < tonumber(least) then redis.call('HSET', KEYS[index], id, least) end
    redis.call('PEXPIRE', KEYS[index], ARGV[2])
  end
end
return 1
`);

/** Removes a replica. Arguments: id. */
export const LEAVE = script(`${HEAD}
return redis.call('ZREM', replicas, id)
`);

/**
 * Adds an end. Keys: the stream of ends. Arguments: '', the text, the most ends, the age in milliseconds after which ends are
 * removed.
 */
export const STORE_END = script(`${HEAD}
local stream = KEYS[${HEAD_KEYS + 1}]
local previous = lastEnd()
if redis.call('TYPE', stream).ok ~= 'stream' then redis.call('DEL', stream) end
local one = redis.call('XADD', stream, '*', 'text', ARGV[2], 'previous', previous, 'at', now)
redis.call('SET', last, one)
redis.call('XTRIM', stream, 'MAXLEN', '~', ARGV[3])
redis.call('XTRIM', stream, 'MINID', '~', now - ARGV[4])
local answer = state()
answer[4] = one
answer[5] = previous
return answer
`);

/**
 * Keys: the list of unused tickets, the ticket, and the list of its user if it has one. Arguments: the id, the content, milliseconds.
 * Returns 'stored', 'full' or 'user-full'. The lists are ZSETs of ids with their expiry: they only count. The use of a ticket does not
 * reach the user's list, since the user is in the encrypted content; so a list that is full is compared with the list of unused tickets.
 */
export const PUT_TICKET = script(`
local unused, ticket, own = KEYS[1], KEYS[2], KEYS[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local keep = tonumber(ARGV[3]) + ${KNOWN_AFTER_EXPIRY}
if redis.call('TYPE', unused).ok ~= 'zset' then redis.call('DEL', unused) end
redis.call('ZREMRANGEBYSCORE', unused, '-inf', now)
if #redis.call('ZRANGE', unused, ${MOST_TICKETS - 1}, ${MOST_TICKETS - 1}) > 0 then return 'full' end
if own then
  if redis.call('TYPE', own).ok ~= 'zset' then redis.call('DEL', own) end
  redis.call('ZREMRANGEBYSCORE', own, '-inf', now)
  if redis.call('ZCARD', own) >= ${MOST_OF_USER} then
    for _, one in ipairs(redis.call('ZRANGE', own, 0, -1)) do
      if not redis.call('ZSCORE', unused, one) then redis.call('ZREM', own, one) end
    end
    if redis.call('ZCARD', own) >= ${MOST_OF_USER} then return 'user-full' end
  end
end
local function add(list)
  redis.call('ZADD', list, now + ARGV[3], ARGV[1])
  if redis.call('PTTL', list) < keep then redis.call('PEXPIRE', list, keep) end
end
redis.call('SET', ticket, ARGV[2], 'PX', keep)
add(unused)
if own then add(own) end
return 'stored'
`);

/** The value of a ticket that was used; the content of a ticket is in base64url. */
export const USED = '-used-';

/**
 * The same keys. Arguments: the id. Returns 'unknown', 'used', 'expired', or 'taken' and the content. GETDEL would need Redis 6.2, and would
 * forget that the ticket was used.
 */
export const TAKE_TICKET = script(`
local unused, ticket = KEYS[1], KEYS[2]
local content = redis.pcall('GET', ticket)
if type(content) ~= 'string' then return { 'unknown' } end
if content == '${USED}' then return { 'used' } end
local left = redis.call('PTTL', ticket)
if left <= 0 then return { 'unknown' } end
redis.call('SET', ticket, '${USED}', 'PX', left)
redis.pcall('ZREM', unused, ARGV[1])
if left <= ${KNOWN_AFTER_EXPIRY} then return { 'expired' } end
return { 'taken', content }
`);
