
-- An item's header, a byte each: flags, link, number of arguments (low, high), then how many there are of each part,
-- in the order of the parts. Flags: 1 start, 2 the run was over already, 4 has an event, 8 another revision,
-- 16 tenant, key and keep follow, 32 has other parts than cells, fields, context and tasks, 64 a record of a patch
-- follows on tenant, key and keep, 128 the long form: the same in little endian, with four bytes for each count.
local LONG = '<BBI4BI4I4I4I4I4I4I4I4I4I4I4I4I4I4I4'

local function header(text)
  if byte(text) < 128 then
    return byte(text, 1, 19)
  end
  return decode(LONG, text)
end

local APPLIED, CONFLICT, UNKNOWN, ENDED, CLAIMED, UNLINKED = 1, 0, -2, -3, -4, -5

-- How many more milliseconds a run is held; a hold counts in its own epoch and for 100 ms at most, so that a
-- clock that jumps holds nothing up.
local function held(shard, hold)
  local token, till = match(hold, '^(%x+) %d+ (%d+)$')
  if token ~= shard.token then
    return 0
  end
  local left = tonumber(till) - now()
  return left <= 100 and left or 0
end

-- Whether a task is in somebody's hands. Just after an epoch began, a task of an older one may be: the claim
-- may be among what was lost.
local function claimed(shard, cell, old)
  if not cell or cell == '' then
    return false
  end
  if old and now() < shard.grace then
    return true
  end
  local kind, id = match(cell, '^(%S+) (%S+)')
  local pending = try('XPENDING', stream(shard, kind), 'workers', id, id, 1)
  return not pending.err and #pending > 0
end

-- Judges one item without writing; `cells` takes what its cells hold.
local function judge(shard, args, at, flags, acks, recalls, olds, cells)
  local run = args[at + 1]
  local key, meta = shard.prefix .. 'run:' .. run, flags % 32 >= 16
  if flags % 2 == 1 then
    if call('EXISTS', key, shard.prefix .. 'end:' .. run) > 0 then
      return 'x' .. run
    end
    if args[at + 7] ~= '' then
      local other = call('GET', shard.prefix .. 'key:' .. args[at + 6] .. ':' .. args[at + 7])
      if other then
        return 'x' .. other
      end
    end
    cells[at] = {}
    return APPLIED
  end
  local first = at + (meta and 9 or 6)
  local record = flags % 128 >= 64 and first
  if record then
    first = first + 3
  end
  local last = first + acks + recalls + olds - 1
  local is = call('HMGET', key, 'seq', 'rev', 'last', 'hold', unpack(args, first, min(last, first + MOST - 1)))
  for i = first + MOST, last, MOST do
    local more = call('HMGET', key, unpack(args, i, min(last, i + MOST - 1)))
    for j = 1, #more do
      is[#is + 1] = more[j]
    end
  end
  if not is[1] then
    return call('EXISTS', shard.prefix .. 'end:' .. run) > 0 and ENDED or UNKNOWN
  end
  if flags % 4 >= 2 then
    return ENDED
  end
  if is[1] ~= args[at + 2] or is[2] ~= args[at + 3] or is[3] ~= args[at + 4] then
    local status = call('HGET', key, 'status')
    return (status == 'succeeded' or status == 'failed' or status == 'cancelled') and ENDED or CONFLICT
  end
  if record and call('HEXISTS', shard.prefix .. 'patches:' .. run, 'p:' .. args[record]) == 1 then
    return CONFLICT
  end
  if is[4] and flags % 16 < 8 then
    local left = held(shard, is[4])
    if left > 0 then
      return 'h' .. left
    end
  end
  for i = 1, recalls + olds do
    if claimed(shard, is[4 + acks + i], i > recalls) then
      return CLAIMED
    end
  end
  cells[at] = is
  return APPLIED
end

-- What is gathered over all items of a call and written once.
local function batch()
  return {done = {}, signals = {}, bell = {}}
end

-- Notes that the task of a cell has ended; answers the blob that goes with it.
local function done(all, cell)
  if not cell or cell == '' then
    return nil
  end
  local kind, id, blob = match(cell, '^(%S+) (%S+) (%S)')
  local ids = all.done[kind]
  if ids then
    ids[#ids + 1] = id
  else
    all.done[kind] = {id}
  end
  return blob ~= '-' and match(cell, '^%S+ %S+ (%S+)') or nil
end

-- Disarms what timers a run has left: its hash names them as `@<timer>`.
local function disarm(shard, key)
  local names, left, timers = call('HKEYS', key), {}, {}
  for i = 1, #names do
    if sub(names[i], 1, 1) == '@' then
      left[#left + 1] = names[i]
      timers[#timers + 1] = sub(names[i], 2)
    end
  end
  spread('ZREM', shard.prefix .. 'timers', timers, 1, #timers)
  spread('HDEL', key, left, 1, #left)
end

-- Removes everything of a run; who began it by a key may ask again, and is told that it is over.
local function erase(shard, run, tenant, keyed, patched)
  local prefix = shard.prefix
  if patched then
    forget(shard, run, tenant)
  end
  if keyed then
    call('SET', prefix .. 'end:' .. run, '1', 'EX', 86400)
  end
  call('UNLINK', prefix .. 'run:' .. run, prefix .. 'context:' .. run, prefix .. 'events:' .. run,
    prefix .. 'logs:' .. run, prefix .. 'blobs:' .. run, prefix .. 'patches:' .. run, prefix .. 'bases:' .. run)
  call('ZREM', prefix .. 'runs:' .. tenant, run)
end

-- Publishes one task; what its cell's field remembers.
local function publish(shard, args, p)
  local kind = args[p + 1]
  local id = call('XADD', shard.streams[kind] or stream(shard, kind), '*', 'task', args[p + 2])
  shard.quiet[kind] = nil
  if find(kind, '@', 1, true) then
    -- Whoever serves a tenant's queue waits for its name, not in the stream: there may be thousands of them.
    call('PUBLISH', shard.prefix .. 'wf.work', kind)
  end
  if not shard.known[kind] then
    call('SADD', shard.prefix .. 'streams', kind)
    shard.known[kind] = true
  end
  return kind .. ' ' .. id .. ' ' .. args[p + 3]
end

-- Writes the fields args[p..] of a run, with those that remember its tasks.
local function write(shard, args, key, p, sets, at, tasks)
  local last = p + 2 * sets - 1
  if tasks == 1 and sets < 1000 then
    return call('HSET', key, args[at], publish(shard, args, at), unpack(args, p, last))
  end
  local fields = {}
  for i = 0, tasks - 1 do
    fields[2 * i + 1] = args[at + 4 * i]
    fields[2 * i + 2] = publish(shard, args, at + 4 * i)
  end
  spread('HSET', key, fields, 1, 2 * tasks)
  spread('HSET', key, args, p, last)
end

-- Writes the parts of an item that few items have.
local function rest(shard, all, args, p, key, run, tenant, stays, counts)
  local prefix = shard.prefix
  local blobs, arms, disarms, opens, closes, signals, logs, sends = unpack(counts, 12, 19)
  if stays then
    spread('HSET', prefix .. 'blobs:' .. run, args, p, p + 2 * blobs - 1)
  end
  p = p + 2 * blobs
  spread('ZADD', prefix .. 'timers', args, p, p + 2 * arms - 1)
  p = p + 2 * arms
  spread('ZREM', prefix .. 'timers', args, p, p + disarms - 1)
  p = p + disarms
  -- Opened by one step, so at one time.
  local time = opens > 0 and format('%.0f', now())
  for i = 0, opens - 1 do
    local id = args[p + 2 * i]
    call('ZADD', prefix .. 'tickets:' .. tenant, time, id .. ' ' .. run)
    if stays then
      call('HSET', key, '?' .. id, args[p + 2 * i + 1])
    end
  end
  p = p + 2 * opens
  for i = 0, closes - 1 do
    call('ZREM', prefix .. 'tickets:' .. tenant, args[p + i] .. ' ' .. run)
    call('HDEL', key, '?' .. args[p + i])
  end
  p = p + closes
  for i = 0, signals - 1 do
    all.signals[#all.signals + 1] = args[p + i]
  end
  p = p + signals
  if logs > 0 and stays then
    log(shard, run, args, p, p + logs - 1)
  end
  p = p + logs
  for i = 0, sends - 1 do
    call('XADD', prefix .. 'wf.signals', '*', 'signal', args[p + i])
  end
end

-- Writes one item that was judged applicable.
local function apply(shard, all, args, at, is)
  local flags, _, _, _, acks, recalls, olds, sets, drops, context, tasks = header(args[at])
  local prefix, run = shard.prefix, args[at + 1]
  local key, p = prefix .. 'run:' .. run, at + 6
  local tenant, dedupe, keep = nil, '', ''
  if flags % 32 >= 16 then
    tenant, dedupe, keep = args[p], args[p + 1], args[p + 2]
    p = p + 3
  end
  local record = flags % 128 >= 64 and p
  if record then
    p = p + 3
  end
  local stays = keep ~= '0'
  local ended = acks + recalls + olds
  for i = 1, ended do
    local blob = done(all, is[4 + i])
    if blob and stays then
      call('HDEL', prefix .. 'blobs:' .. run, blob)
    end
  end
  p = p + ended
  local line = nil
  if flags % 8 >= 4 then
    line = args[p]
    p = p + 1
    local n = #all.bell
    all.bell[n + 1], all.bell[n + 2] = run, args[at + 5]
  end
  if flags % 2 == 1 then
    call('ZADD', prefix .. 'runs:' .. tenant, 0, run)
    if dedupe ~= '' then
      call('SET', prefix .. 'key:' .. tenant .. ':' .. dedupe, run, 'EX', 259200)
    end
  end
  if stays then
    if sets + tasks > 0 then
      write(shard, args, key, p, sets, p + 2 * sets + drops + 2 * context, tasks)
    end
    p = p + 2 * sets
    if drops > 0 then
      spread('HDEL', key, args, p, p + drops - 1)
      p = p + drops
    end
    if context > 0 then
      spread('HSET', prefix .. 'context:' .. run, args, p, p + 2 * context - 1)
    end
    if line then
      call('RPUSH', prefix .. 'events:' .. run, line)
    end
    if record then
      answered(shard, args, record, run, tenant)
    end
    if is[4] and flags % 16 >= 8 and held(shard, is[4]) == 0 then
      call('HDEL', key, 'hold')
    end
    p = p + 2 * context + 4 * tasks
  else
    p = p + 2 * sets + drops + 2 * context + 4 * tasks
  end
  if flags % 64 >= 32 then
    rest(shard, all, args, p, key, run, tenant, stays, {header(args[at])})
  end
  if keep ~= '' then
    disarm(shard, key)
    if stays then
      call('ZADD', prefix .. 'expire', keep, run .. ' ' .. tenant)
    else
      -- A start that ends at once has written nothing yet.
      local left = flags % 2 == 1 and {dedupe ~= ''} or call('HMGET', key, 'key', 'patched')
      erase(shard, run, tenant, left[1], left[2])
    end
  end
end

-- args: epoch, consumer, most claims, number of kinds, number of items, kinds, items.
-- Answers the verdicts (none if all were applied), then the claimed tasks as kind, id, task, ...
local function commit(keys, args)
  local shard = enter(keys, args)
  if not shard then
    return changed()
  end
  local most, kinds, items = tonumber(args[3]), tonumber(args[4]), tonumber(args[5])
  local places, verdicts, links, broken, cells = {}, {}, {}, {}, {}
  local at, refused = 6 + kinds, 0
  for i = 1, items do
    local flags, link, low, high, acks, recalls, olds = header(args[at])
    local verdict = judge(shard, args, at, flags, acks, recalls, olds, cells)
    places[i], verdicts[i], links[i] = at, verdict, link
    if verdict ~= APPLIED and link > 0 then
      broken[link] = true
    end
    at = at + low + 256 * high
  end
  if at - 1 ~= #args then
    return error_reply('ERR aob1_commit: the items and their headers do not fit')
  end
  -- From here on nothing is refused.
  local all = batch()
  for i = 1, items do
    if verdicts[i] == APPLIED and broken[links[i]] then
      verdicts[i] = UNLINKED
    end
    local verdict = verdicts[i]
    if verdict == APPLIED then
      apply(shard, all, args, places[i], cells[places[i]])
    else
      refused = refused + 1
      if verdict == UNKNOWN or verdict == ENDED then
        -- Nobody will decide these signals again.
        local place = places[i]
        local counts = {header(args[place])}
        local last = place + counts[3] + 256 * counts[4] - counts[18] - counts[19]
        for p = last - counts[17], last - 1 do
          all.signals[#all.signals + 1] = args[p]
        end
      end
    end
  end
  for kind, ids in pairs(all.done) do
    finish(stream(shard, kind), 'workers', ids)
  end
  if #all.signals > 0 then
    finish(shard.prefix .. 'wf.signals', 'coordinators', all.signals)
  end
  if #all.bell > 0 then
    -- Heard or not: who waits looks for itself now and then. It costs no memory and no bytes of the log.
    call('PUBLISH', shard.prefix .. 'wf.events', concat(all.bell, ' '))
  end
  local taken = {}
  if most > refused and kinds > 0 then
    taken = take(shard, args[2], most - refused, args, 6, 5 + kinds)
  end
  return {refused > 0 and verdicts or false, taken}
end
