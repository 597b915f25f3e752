#!lua name=aob1
-- version 7
-- What is here decides nothing about graphs: it compares, writes and hands out, each call whole or not at all.
-- Every function is given one key, the shard's epoch, and builds the names of others by its prefix: they share a slot.
-- Epochs, fences and counts of the engine are text here: a Lua number does not hold 64 bits.

-- While a library is loaded there are no globals but `redis`: the first call sets these.
local call, try, error_reply
local unpack, tonumber, pairs, floor, min, max, sub, match, gmatch, find, format, rep, concat, decode, byte

local function bind()
  call, try, error_reply = redis.call, redis.pcall, redis.error_reply
  unpack, tonumber, pairs = _G.unpack, _G.tonumber, _G.pairs
  floor, min, max, concat = math.floor, math.min, math.max, table.concat
  sub, match, gmatch, find = string.sub, string.match, string.gmatch, string.find
  format, rep, byte, decode = string.format, string.rep, string.byte, struct.unpack
end

-- Values given to one command at most: Lua's stack holds about 8,000.
local MOST = 4000
-- Entries taken from one list at most in one call.
local PAGE = 128

-- Most runs whose heads are remembered, and most that somebody waits for.
local HEADS, WATCHED = 4096, 50000
-- Ended tasks of a stream of which the consumers' lists still know, at most.
local ACKS = 256

-- By epoch key, set by aob1_open alone: a server that has just begun, or was promoted, has none, and so
-- writes nothing before its epoch has changed.
local opened = {}

local function now()
  local time = call('TIME')
  return time[1] * 1000 + floor(time[2] / 1000)
end

-- The shard, if the caller's epoch is the one that this server opened and still holds.
local function enter(keys, args)
  if not call then
    bind()
  end
  local shard = opened[keys[1]]
  if shard and shard.token == args[1] and call('GET', keys[1]) == shard.stored then
    if shard.writing then
      -- The call before died midway: what is remembered of runs and streams may not be so.
      shard.heads, shard.head_count, shard.out, shard.writing = {}, 0, {}, false
    end
    return shard
  end
  return nil
end

local function changed()
  return error_reply('AOBEPOCH another epoch has begun, or none was opened here')
end

local function stream(shard, kind)
  local key = shard.streams[kind]
  if not key then
    key = shard.prefix .. 'wf.tasks.' .. kind
    shard.streams[kind] = key
  end
  return key
end

-- What a run's commits are compared with, as its hash has it: seq, revision, last hash and, by name, the cells that were
-- asked for. Nobody else writes these fields, so it is read once; whatever changes the data from outside, a failover or
-- another server's writes, changes the stored epoch too, and `enter` sees that.
local function remember(shard, run, head)
  if not shard.heads[run] then
    if shard.head_count >= HEADS then
      shard.heads, shard.head_count = {}, 0
    end
    shard.head_count = shard.head_count + 1
  end
  shard.heads[run] = head
end

-- Forgets all of a run that is not in its keys.
local function forget_head(shard, run)
  if shard.heads[run] then
    shard.heads[run] = nil
    shard.head_count = shard.head_count - 1
  end
  shard.holds[run] = nil
end

-- A command over values first..last of a list, however many they are; MOST is even, so pairs stay together.
local function spread(command, key, list, first, last)
  while last - first >= MOST do
    call(command, key, unpack(list, first, first + MOST - 1))
    first = first + MOST
  end
  if first <= last then
    call(command, key, unpack(list, first, last))
  end
end

-- A command over a consumer group and ids, however many they are.
local function acknowledge(key, group, ids)
  for first = 1, #ids, MOST do
    -- Without a group nobody has claimed anything yet.
    try('XACK', key, group, unpack(ids, first, min(#ids, first + MOST - 1)))
  end
end

-- Ends tasks: their entries are gone at once, unless a publication has `trimmed` them away already. That their
-- consumers still list them says nothing and hands out nothing, so many are acknowledged together: an id whose entry is
-- gone is passed over by everyone who reads these lists, also where this table of them was lost.
local function finish(shard, kind, ids, trimmed)
  local acks, out = shard.acks[kind], shard.out[kind]
  if not acks then
    acks = {}
    shard.acks[kind] = acks
  end
  for i = 1, #ids do
    acks[#acks + 1] = ids[i]
    if out and not trimmed and out.ids[ids[i]] then
      out.ids[ids[i]] = nil
      out.count = out.count - 1
    end
  end
  if not trimmed then
    spread('XDEL', stream(shard, kind), ids, 1, #ids)
  end
  if #acks >= ACKS then
    shard.acks[kind] = nil
    acknowledge(stream(shard, kind), 'workers', acks)
  end
end

-- Acknowledges what has ended; before anybody looks at what consumers have.
local function settle(shard)
  for kind, acks in pairs(shard.acks) do
    acknowledge(stream(shard, kind), 'workers', acks)
    shard.acks[kind] = nil
  end
end

-- The entries of a kind's stream, if all of them were published by this library in this epoch: known from when the
-- stream was seen empty.
local function outstanding(shard, kind)
  local out = shard.out[kind]
  if out == nil then
    out = call('XLEN', stream(shard, kind)) == 0 and {count = 0, ids = {}} or false
    shard.out[kind] = out
  end
  return out
end

-- Entries of a consumer group's stream as triples kind, id, task.
local function append(into, kind, entries)
  for i = 1, #entries do
    local n = #into
    into[n + 1] = kind
    into[n + 2] = entries[i][1]
    into[n + 3] = entries[i][2][2]
  end
end

-- Epochs remembered of which nothing is missing.
local KIN = 64

-- args: 1 epoch wanted ('' if any), 2 a fresh one, 3 grace in ms, 4 '1' to set the wanted one in any case, 5 '1' if
-- every write is on disk before it is acknowledged.
-- A server whose run id is not the stored one has restarted or was promoted: what it knows may be a prefix
-- of what was acknowledged, so its epoch becomes another. If it restarted on its own disk, before and after which
-- every write was there first, nothing is missing: the epochs before are its kin, no claim of theirs is in doubt, and
-- what they gave out may begin. Stored: epoch, run id, end of the grace, whether writes are on disk first, its kin.
local function open(keys, args)
  if not call then
    bind()
  end
  local id = match(call('INFO', 'server'), 'run_id:(%x+)')
  local stored = call('GET', keys[1])
  local token, owner, grace, safe, kin
  if stored then
    token, owner, grace, safe, kin = match(stored, '^(%x+) (%x+) (%d+) ?(%d?) ?(.*)$')
  end
  local time, forced, sure = now(), args[4] == '1' and token ~= args[1], args[5] == '1' and '1' or '0'
  local before = stored
  if owner ~= id or forced then
    -- A promoted server remembers whose replica it was.
    local own = find(call('INFO', 'replication'), 'master_replid2:' .. rep('0', 40), 1, true)
    if token and owner ~= id and not forced and own and safe == '1' and sure == '1' then
      kin = sub(token .. ' ' .. kin, 1, 17 * KIN)
    else
      local used = stored or call('EXISTS', sub(keys[1], 1, -6) .. 'streams') == 1
      kin, grace = '', used and time + tonumber(args[3]) or time
    end
    token = args[1] ~= '' and args[1] or args[2]
  end
  stored = concat({token, id, format('%.0f', tonumber(grace)), sure, kin or ''}, ' ')
  if stored ~= before then
    call('SET', keys[1], stored)
  end
  local known = {[token] = true}
  for epoch in gmatch(kin or '', '%x+') do
    known[epoch] = true
  end
  local shard = opened[keys[1]]
  if not shard or shard.token ~= token then
    -- What is remembered is of one epoch. Ids may come again in another one: nothing of before is acknowledged.
    shard = {
      prefix = sub(keys[1], 1, -6), token = token, streams = {}, known = {}, quiet = {}, cursors = {}, cleaned = {},
      claims = 0, swept = 0, heads = {}, head_count = 0, holds = {}, hold_count = 0, watched = {}, watch_count = 0, acks = {}, out = {},
    }
    opened[keys[1]] = shard
  end
  shard.stored, shard.grace, shard.kin = stored, tonumber(grace), known
  return {token, max(0, tonumber(grace) - time)}
end
