
-- Tells the coordinators that an attempt is lost.
local function lost(shard, task, begun, time)
  call('XADD', shard.prefix .. 'wf.signals', '*', 'lost', task, 'begun', begun and '1' or '0', 't', time)
end

local function body(key, id)
  local entries = call('XRANGE', key, id, id)
  return entries[1] and entries[1][2][2]
end

-- Whether the entry is the task with this fence: ids may come again after a failover to a slower clock.
local function fits(key, id, fence)
  local task = body(key, id)
  return task and find(task, '"fence":' .. fence, 1, true) and task or nil
end

-- Whether the consumer has the task, taking it again if nobody has it: a restart may have forgotten the claim. The
-- group's cursor may still reach such an entry and give it to another: then the work is done twice, and counts once.
local function owns(shard, consumer, mine, kind, id, fence, old)
  local key = stream(shard, kind)
  if mine[kind] and mine[kind][id] then
    return not old or fits(key, id, fence) ~= nil
  end
  local pending = try('XPENDING', key, 'workers', id, id, 1)
  if pending.err then
    return false
  end
  if pending[1] then
    return pending[1][2] == consumer and fits(key, id, fence) ~= nil
  end
  local task = fits(key, id, fence)
  if task then
    local count = find(task, '"once":true', 1, true) and 2 or 1
    call('XCLAIM', key, 'workers', consumer, 0, id, 'RETRYCOUNT', count, 'FORCE', 'JUSTID')
  end
  return task ~= nil
end

-- args: epoch, consumer, time in ms, number of kinds, kinds, then per task kind, id, fence, flags (1 begins).
-- Whether a task is of an older epoch is judged here: its worker may not have heard of the present one. Answers one digit per task, then what the consumer has and did not name as kind, id, task, ...
local function beat(keys, args)
  local shard = enter(keys, args)
  if not shard then
    return changed()
  end
  local consumer, kinds = args[2], tonumber(args[4])
  settle(shard)
  local mine, named, kept, renew, unnamed = {}, {}, {}, {}, {}
  for i = 5, 4 + kinds do
    local ids, pending = {}, try('XPENDING', stream(shard, args[i]), 'workers', '-', '+', 1024, consumer)
    for j = 1, #pending do
      ids[pending[j][1]] = true
    end
    mine[args[i]], renew[args[i]] = ids, {}
  end
  for i = 5 + kinds, #args, 4 do
    local kind, id, fence, flags = args[i], args[i + 1], args[i + 2], args[i + 3]
    local begins, epoch = flags == '1', sub(fence, 2, 17)
    local keep = owns(shard, consumer, mine, kind, id, fence, epoch ~= shard.token)
    local key = stream(shard, kind)
    named[kind .. ' ' .. id] = true
    if keep and begins then
      if not shard.kin[epoch] then
        -- It may have begun under a claim that was lost: that is for a person to say.
        lost(shard, body(key, id), true, args[3])
        call('XCLAIM', key, 'workers', 'parked', 0, id, 'JUSTID')
        keep = false
      else
        call('XCLAIM', key, 'workers', consumer, 0, id, 'RETRYCOUNT', 2, 'JUSTID')
      end
    elseif keep then
      local ids = renew[kind] or {}
      ids[#ids + 1] = id
      renew[kind] = ids
    end
    kept[#kept + 1] = keep and '1' or '0'
  end
  for i = 5, 4 + kinds do
    local kind = args[i]
    local key = stream(shard, kind)
    for id in pairs(mine[kind]) do
      if #unnamed < 3 * PAGE and not named[kind .. ' ' .. id] then
        local task = body(key, id)
        if task then
          local n = #unnamed
          unnamed[n + 1], unnamed[n + 2], unnamed[n + 3] = kind, id, task
          renew[kind][#renew[kind] + 1] = id
        else
          call('XACK', key, 'workers', id)
        end
      end
    end
  end
  for kind, ids in pairs(renew) do
    for first = 1, #ids, MOST do
      local chunk = {'XCLAIM', stream(shard, kind), 'workers', consumer, 0}
      for i = first, min(#ids, first + MOST - 1) do
        chunk[#chunk + 1] = ids[i]
      end
      chunk[#chunk + 1] = 'JUSTID'
      call(unpack(chunk))
    end
  end
  return {concat(kept), unnamed}
end

-- args: epoch, signal, kind, id, fence. The signal is there, and the task can no longer be called lost, in one step;
-- if it is still that task: after a restart another one may have its id.
local function report(keys, args)
  local shard = enter(keys, args)
  if not shard then
    return changed()
  end
  if #args ~= 5 then
    return error_reply('ERR aob1_report: five arguments are taken')
  end
  -- Judged before the first write.
  local key = stream(shard, args[3])
  local own = fits(key, args[4], args[5])
  call('XADD', shard.prefix .. 'wf.signals', '*', 'signal', args[2])
  if own then
    -- Without a group nobody has claimed anything, and nothing is to be kept from the sweeper.
    try('XCLAIM', key, 'workers', 'reported', 0, args[4], 'JUSTID')
  end
  return 1
end

-- Entries of a stream whose lease is over, a page at most, from where the last call stopped.
local function expired(shard, kind, lease)
  local key, from = stream(shard, kind), shard.cursors[kind] or '-'
  local ids, begun = {}, {}
  for _ = 1, 8 do
    local pending = try('XPENDING', key, 'workers', 'IDLE', lease, from, '+', PAGE)
    if pending.err then
      return ids, begun
    end
    for i = 1, #pending do
      local id, consumer = pending[i][1], pending[i][2]
      if consumer ~= 'reported' and consumer ~= 'parked' then
        ids[#ids + 1] = id
        begun[id] = pending[i][4] > 1
      end
    end
    from = #pending == PAGE and '(' .. pending[PAGE][1] or nil
    shard.cursors[kind] = from
    if not from or #ids >= PAGE then
      return ids, begun
    end
  end
  return ids, begun
end

-- Forgets consumers that went away an hour ago: every process brings a new name.
local function clean(shard, key, group, time)
  if time < (shard.cleaned[key] or 0) then
    return
  end
  shard.cleaned[key] = time + 600000
  local consumers = try('XINFO', 'CONSUMERS', key, group)
  for i = 1, #consumers do
    local name, pending, idle = consumers[i][2], consumers[i][4], consumers[i][6]
    if pending == 0 and idle > 3600000 and name ~= 'reported' and name ~= 'parked' then
      call('XGROUP', 'DELCONSUMER', key, group, name)
    end
  end
end

-- args: epoch, lease in ms, time in ms. Answers how many signals were written and the ms until the next timer, or -1.
local function sweep(keys, args)
  local shard = enter(keys, args)
  if not shard then
    return changed()
  end
  local count, time, kinds = 0, now(), {}
  settle(shard)
  -- A look at all that is claimed, so not with every sweep: the tenth of a lease later is early enough.
  if time - shard.swept >= tonumber(args[2]) / 10 then
    kinds = call('SMEMBERS', shard.prefix .. 'streams')
    shard.swept = time
  end
  for i = 1, #kinds do
    local key = stream(shard, kinds[i])
    local ids, begun = expired(shard, kinds[i], args[2])
    if #ids > 0 then
      -- Out of the holder's hands in the same call: what is swept is swept once.
      local entries = call('XCLAIM', key, 'workers', 'parked', 0, unpack(ids))
      for j = 1, #entries do
        lost(shard, entries[j][2][2], begun[entries[j][1]], args[3])
        count = count + 1
      end
    end
    if not shard.out[kinds[i]] then
      -- Looked at when something is published next.
      shard.out[kinds[i]] = nil
    end
    clean(shard, key, 'workers', time)
  end
  clean(shard, shard.prefix .. 'wf.signals', 'coordinators', time)
  local timers = shard.prefix .. 'timers'
  local due = call('ZRANGEBYSCORE', timers, '-inf', args[3], 'LIMIT', 0, PAGE)
  for i = 1, #due do
    call('XADD', shard.prefix .. 'wf.signals', '*', 'timer', due[i], 't', args[3])
    local run = match(due[i], '^%["([^"]+)"')
    if run then
      call('HDEL', shard.prefix .. 'run:' .. run, '@' .. due[i])
    end
  end
  spread('ZREM', timers, due, 1, #due)
  local following = call('ZRANGE', timers, 0, 0, 'WITHSCORES')
  local left = following[2] and max(0, tonumber(following[2]) - tonumber(args[3])) or -1
  return {count + #due, left}
end
