
-- args: epoch, run, ms. Answers 1 if the run is held from now on.
local function hold(keys, args)
  local shard = enter(keys, args)
  if not shard then
    return changed()
  end
  local key = shard.prefix .. 'run:' .. args[2]
  local is = call('HMGET', key, 'seq', 'hold')
  if not is[1] then
    return 0
  end
  local time, ms = now(), min(100, tonumber(args[3]))
  local token, from, till = match(is[2] or '', '^(%x+) (%d+) (%d+)$')
  from, till = tonumber(from), tonumber(till)
  if token == shard.token and till - time <= 100 and time < till + (till - from) then
    return 0
  end
  call('HSET', key, 'hold', format('%s %.0f %.0f', shard.token, time, time + ms))
  return 1
end

-- args: epoch, time in ms, most. Answers how many runs were removed.
local function drop(keys, args)
  local shard = enter(keys, args)
  if not shard then
    return changed()
  end
  local due = call('ZRANGEBYSCORE', shard.prefix .. 'expire', '-inf', args[2], 'LIMIT', 0, args[3])
  for i = 1, #due do
    local run, tenant = match(due[i], '^(%S+) (.*)$')
    local is = call('HMGET', shard.prefix .. 'run:' .. run, 'key', 'patched')
    erase(shard, run, tenant, is[1], is[2])
  end
  spread('ZREM', shard.prefix .. 'expire', due, 1, #due)
  return #due
end

-- What makes room, and what comes before it, must go on when the memory is full.
redis.register_function{function_name = 'aob1_open', callback = open, flags = {'allow-oom'}}
redis.register_function('aob1_commit', commit)
redis.register_function('aob1_beat', beat)
redis.register_function('aob1_report', report)
redis.register_function('aob1_sweep', sweep)
redis.register_function('aob1_hold', hold)
redis.register_function('aob1_type', change_type)
redis.register_function{function_name = 'aob1_chain', callback = chain, flags = {'no-writes'}}
redis.register_function{function_name = 'aob1_patch', callback = patch, flags = {'no-writes'}}
redis.register_function('aob1_compact', compact)
redis.register_function('aob1_move', move)
redis.register_function{function_name = 'aob1_drop', callback = drop, flags = {'allow-oom'}}
redis.register_function('aob1_log', append_log)
redis.register_function('aob1_rate', rate)
