
-- An item's header, a byte each: flags, link, number of arguments (low, high), then how many there are of each part,
-- in the order of the parts. Flags: 1 start, 2 the run was over already, 4 has an event, 16 tenant, key and keep follow, 32 has other parts than cells, fields, context and tasks, 64 a record of a patch
-- follows on tenant, key and keep, 128 the long form: the same in little endian, with four bytes for each count.
local LONG = '<BBI4BI4I4I4I4I4I4I4I4I4I4I4I4I4I4I4'

local function header(text)
  if byte(text) < 128 then
    return byte(text, 1, 19)
  end
  return decode(LONG, text)
end

local APPLIED, CONFLICT, UNKNOWN, ENDED, CLAIMED, UNLINKED = 1, 0, -2, -3, -4, -5

-- How many more milliseconds a run is held by another; for 100 ms at most, so that a clock that jumps holds nothing up.
local function held(shard, run, committer)
  local hold = shard.holds[run]
  if not hold or hold.by == committer then
    return 0
  end
  local time = now()
  local left = hold.till - time
  if time >= hold.again or left > 100 then
    shard.holds[run] = nil
    return 0
  end
  return max(0, left)
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

-- The head of a run with at least the cells args[first..last].
local function known(shard, run, key, args, first, last)
  local head = shard.heads[run]
  if head then
    local all = true
    for i = first, last do
      if head.cells[args[i]] == nil then
        all = false
        break
      end
    end
    if all then
      return head
    end
  end
  local is = call('HMGET', key, 'seq', 'rev', 'last', unpack(args, first, min(last, first + MOST - 1)))
  if not is[1] then
    return nil
  end
  local names = head and head.cells or {}
  head = {seq = is[1], rev = is[2], last = is[3], cells = names}
  for i = first, last, MOST do
    local some = i == first and is or call('HMGET', key, unpack(args, i, min(last, i + MOST - 1)))
    local before = i == first and 3 or 0
    for j = i, min(last, i + MOST - 1) do
      names[args[j]] = some[before + j - i + 1] or false
    end
  end
  remember(shard, run, head)
  return head
end

-- Judges one item without writing; `cells` takes its head and what its cells hold.
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
  local head = known(shard, run, key, args, first, last)
  if not head then
    return call('EXISTS', shard.prefix .. 'end:' .. run) > 0 and ENDED or UNKNOWN
  end
  if flags % 4 >= 2 then
    return ENDED
  end
  if head.seq ~= args[at + 2] or head.rev ~= args[at + 3] or head.last ~= args[at + 4] then
    local status = call('HGET', key, 'status')
    return (status == 'succeeded' or status == 'failed' or status == 'cancelled') and ENDED or CONFLICT
  end
  if record and call('HEXISTS', shard.prefix .. 'patches:' .. run, 'p:' .. args[record]) == 1 then
    return CONFLICT
  end
  if shard.holds[run] then
    local left = held(shard, run, args[2])
    if left > 0 then
      return 'h' .. format('%.0f', left)
    end
  end
  for i = 1, recalls + olds do
    if claimed(shard, head.cells[args[first + acks + i - 1]], i > recalls) then
      return CLAIMED
    end
  end
  local ended = {head = head}
  for i = first, last do
    ended[#ended + 1] = head.cells[args[i]] or nil
  end
  cells[at] = ended
  return APPLIED
end

-- What is gathered over all items of a call and written once.
local function batch()
  return {done = {}, trims = {}, trimmed = {}, signals = {}, bell = {}}
end

-- Notes that the tasks of an item's cells have ended; what goes with them goes.
local function done(shard, all, run, cells)
  for i = 1, #cells do
    local kind, id, blob = match(cells[i], '^(%S+) (%S+) (%S+)')
    if kind then
      local ids = all.done[kind]
      if ids then
        ids[#ids + 1] = id
      else
        all.done[kind] = {id}
      end
      if blob ~= '-' then
        call('HDEL', shard.prefix .. 'blobs:' .. run, blob)
      end
    end
  end
end

-- Finds the streams of which nothing is left by this call: the next task that is published there trims them.
local function drained(shard, all)
  for kind, ids in pairs(all.done) do
    local out = shard.out[kind]
    if out and out.count == #ids then
      local every = true
      for i = 1, #ids do
        every = every and out.ids[ids[i]]
      end
      all.trims[kind] = every
    end
  end
end

-- Disarms what timers an ended run has left: its hash names them as `@<timer>`, and nobody reads these names again.
local function disarm(shard, key)
  local names, timers = call('HKEYS', key), {}
  for i = 1, #names do
    if sub(names[i], 1, 1) == '@' then
      timers[#timers + 1] = sub(names[i], 2)
    end
  end
  spread('ZREM', shard.prefix .. 'timers', timers, 1, #timers)
end

-- Removes everything of a run; who began it by a key may ask again, and is told that it is over.
local function erase(shard, run, tenant, keyed, patched)
  local prefix = shard.prefix
  forget_head(shard, run)
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

-- What is waited for in a run: its next event, its end, or (their sum) one by these and the other by those.
local ANY, THE_END = 1, 2

-- Tells those who wait for this event, once: they look, and ask to be told again. Nobody waits for most events.
local function ring(shard, all, run, seq, over)
  local waits = shard.watched[run]
  if waits and (over or waits ~= THE_END) then
    if over or waits == ANY then
      shard.watched[run] = nil
      shard.watch_count = shard.watch_count - 1
    else
      shard.watched[run] = THE_END
    end
    local n = #all.bell
    all.bell[n + 1], all.bell[n + 2] = run, over and seq .. '.' or seq
  end
end

-- Publishes one task; what its cell's field remembers.
local function publish(shard, all, args, p)
  local kind = args[p + 1]
  local key, out = shard.streams[kind] or stream(shard, kind), outstanding(shard, kind)
  local id
  if all.trims[kind] then
    -- All that is in the stream ends in this call: what is added takes its place.
    id = call('XADD', key, 'MAXLEN', '=', 1, '*', 'task', args[p + 2])
    all.trims[kind], all.trimmed[kind] = nil, true
    out = {count = 0, ids = {}}
    shard.out[kind] = out
  else
    id = call('XADD', key, '*', 'task', args[p + 2])
  end
  if out then
    out.ids[id] = true
    out.count = out.count + 1
  end
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
local function write(shard, all, args, key, p, sets, at, tasks, head)
  local last, cells = p + 2 * sets - 1, head.cells
  for i = p, last, 2 do
    local name = args[i]
    if name == 'seq' or name == 'rev' or name == 'last' then
      head[name] = args[i + 1]
    elseif cells[name] ~= nil then
      cells[name] = args[i + 1]
    end
  end
  if tasks == 1 and sets < 1000 then
    local place = publish(shard, all, args, at)
    cells[args[at]] = place
    return call('HSET', key, args[at], place, unpack(args, p, last))
  end
  local fields = {}
  for i = 0, tasks - 1 do
    local cell, place = args[at + 4 * i], publish(shard, all, args, at + 4 * i)
    cells[cell] = place
    fields[2 * i + 1], fields[2 * i + 2] = cell, place
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
local function apply(shard, all, args, at, cells)
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
  p = p + acks + recalls + olds
  local line = nil
  if flags % 8 >= 4 then
    line = args[p]
    p = p + 1
    ring(shard, all, run, args[at + 5], keep ~= '')
  end
  local head = cells.head
  if not head then
    -- Of a run that begins it is known that it has no more cells than it fills now.
    head = {cells = {}}
    if keep == '' then
      remember(shard, run, head)
    end
  end
  if flags % 2 == 1 then
    call('ZADD', prefix .. 'runs:' .. tenant, 0, run)
    if dedupe ~= '' then
      call('SET', prefix .. 'key:' .. tenant .. ':' .. dedupe, run, 'EX', 259200)
    end
  end
  if stays then
    if sets + tasks > 0 then
      write(shard, all, args, key, p, sets, p + 2 * sets + drops + 2 * context, tasks, head)
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
    local hold = shard.holds[run]
    if hold and hold.by == args[2] then
      -- Whoever held it has come through: the others go on, and have as long for themselves as they stood back.
      local time = now()
      hold.till = 0
      hold.again = min(hold.again, time + max(0, time - hold.since))
    end
    p = p + 2 * context + 4 * tasks
  else
    p = p + 2 * sets + drops + 2 * context + 4 * tasks
  end
  if flags % 64 >= 32 then
    rest(shard, all, args, p, key, run, tenant, stays, {header(args[at])})
  end
  if keep ~= '' then
    forget_head(shard, run)
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

-- args: epoch, who commits (and claims), most claims, number of kinds, number of items, kinds, items.
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
  shard.writing = true
  for i = 1, items do
    if verdicts[i] == APPLIED then
      if broken[links[i]] then
        verdicts[i] = UNLINKED
      else
        done(shard, all, args[places[i] + 1], cells[places[i]])
      end
    end
  end
  drained(shard, all)
  for i = 1, items do
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
    finish(shard, kind, ids, all.trimmed[kind])
  end
  if #all.signals > 0 then
    acknowledge(shard.prefix .. 'wf.signals', 'coordinators', all.signals)
    spread('XDEL', shard.prefix .. 'wf.signals', all.signals, 1, #all.signals)
  end
  if #all.bell > 0 then
    -- Run, seq, run, seq: with a dot if it is the last. Heard or not: who waits looks for itself now and then.
    call('PUBLISH', shard.prefix .. 'wf.events', concat(all.bell, ' '))
  end
  local taken = {}
  if most > refused and kinds > 0 then
    taken = take(shard, args[2], most - refused, args, 6, 5 + kinds)
  end
  shard.writing = false
  return {refused > 0 and verdicts or false, taken}
end
