import { createHash } from 'node:crypto';

/** A Lua script, which Redis runs as one step. */
export interface Script {
  readonly text: string;
  /** By this name Redis knows the script once it has run. */
  readonly sha: string;
}

function script(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

/** Replicas that a script looks up one by one. A hundred of them take 170 microseconds; a list of all, 40. */
const MOST_SINGLE = 8;

// Each script gets the same first keys. Times are Redis's own: the clocks of replicas may differ.
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
local function state()
  return { now, redis.call('GET', last) or '0-0', redis.call('ZRANGEBYSCORE', replicas, '(' .. now, '+inf') }
end
`;

/** The count of keys that each script gets first. */
export const HEAD_KEYS = 4;

/** Arguments: id, the id before or '', ttl and recovery in milliseconds. Returns the state, and whether the store was empty. */
export const JOIN = script(`${HEAD}
redis.call('ZREMRANGEBYSCORE', replicas, '-inf', now)
if ARGV[2] ~= '' then redis.call('ZREM', replicas, ARGV[2]) end
redis.call('ZADD', replicas, now + ARGV[3], id)
local isEmpty = redis.call('SET', epoch, now, 'NX') and 1 or 0
if isEmpty == 1 then redis.call('SET', filling, now, 'PX', ARGV[4]) end
local answer = state()
answer[4] = isEmpty
return answer
`);

/** Arguments: id, ttl in milliseconds. Returns the state, and whether the store knows the replica. */
export const BEAT = script(`${HEAD}
local isKnown = known() and 1 or 0
if isKnown == 1 then redis.call('ZADD', replicas, now + ARGV[2], id) end
redis.call('ZREMRANGEBYSCORE', replicas, '-inf', now)
local answer = state()
answer[4] = isKnown
return answer
`);

/**
 * Keys: a hash for each name. Arguments: id, expiry of the hashes in milliseconds, the most slots of each name. Returns 'taken',
 * 'full' with the index, 'unknown' or 'filling', and the id of the last end.
 */
export const TAKE = script(`${HEAD}
if not known() then return { 'unknown' } end
if redis.call('EXISTS', filling) == 1 then return { 'filling' } end
local isAlive = {}
for index = ${HEAD_KEYS + 1}, #KEYS do
  local counts = redis.pcall('HGETALL', KEYS[index])
  if counts.err then return { 'broken', KEYS[index] .. ': ' .. counts.err } end
  local used = 0
  for at = 1, #counts, 2 do
    local one = counts[at]
    if isAlive[one] == nil then isAlive[one] = alive(one) or false end
    if isAlive[one] then used = used + counts[at + 1] end
  end
  if used >= tonumber(ARGV[index - ${HEAD_KEYS} + 2]) then
    return { 'full', index - ${HEAD_KEYS + 1}, redis.call('GET', last) or '0-0' }
  end
end
for index = ${HEAD_KEYS + 1}, #KEYS do
  redis.call('HINCRBY', KEYS[index], id, 1)
  redis.call('PEXPIRE', KEYS[index], ARGV[2])
end
return { 'taken', redis.call('GET', last) or '0-0' }
`);

/** Keys: a hash for each name. Arguments: id, expiry in milliseconds, the change of each name. */
export const ADJUST = script(`${HEAD}
for index = ${HEAD_KEYS + 1}, #KEYS do
  local count = redis.pcall('HINCRBY', KEYS[index], id, ARGV[index - ${HEAD_KEYS} + 2])
  if type(count) == 'number' then
    if count <= 0 then redis.call('HDEL', KEYS[index], id) end
    redis.call('PEXPIRE', KEYS[index], ARGV[2])
  end
end
return 1
`);

/** Keys: a hash for each name. Arguments: id, expiry in milliseconds, the count of each name. */
export const WRITE = script(`${HEAD}
for index = ${HEAD_KEYS + 1}, #KEYS do
  redis.pcall('HSET', KEYS[index], id, ARGV[index - ${HEAD_KEYS} + 2])
  redis.pcall('PEXPIRE', KEYS[index], ARGV[2])
end
return 1
`);

/** Arguments: id. */
export const LEAVE = script(`${HEAD}
return redis.call('ZREM', replicas, id)
`);

/** Keys: the stream of ends. Arguments: id, the text, the most ends, the age in milliseconds after which ends are forgotten. */
export const STORE_END = script(`${HEAD}
local stream = KEYS[${HEAD_KEYS + 1}]
local previous = redis.call('GET', last) or '0-0'
local one = redis.call('XADD', stream, '*', 'text', ARGV[2], 'previous', previous)
redis.call('SET', last, one)
redis.call('XTRIM', stream, 'MAXLEN', '~', ARGV[3])
redis.call('XTRIM', stream, 'MINID', '~', now - ARGV[4])
local answer = state()
answer[4] = one
answer[5] = previous
return answer
`);
