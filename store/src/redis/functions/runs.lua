
-- args: epoch, run, ms, by whom, '1' if that is a patch, which does not wait for who is none. Answers 1 if the run is
-- held from now on. Holds count in their own epoch and for a moment: they are nowhere but here.
local function hold(keys, args)
  local shard = enter(keys, args)
  if not shard then
    return changed()
  end
  local run = args[2]
  if call('EXISTS', shard.prefix .. 'run:' .. run) == 0 then
    return 0
  end
  local time, ms, is = now(), min(100, tonumber(args[3])), shard.holds[run]
  local patch = args[5] == '1'
  if is and time < is.again and is.again - time <= 200 and (is.patch or not patch) then
    return 0
  end
  if not is then
    shard.hold_count = shard.hold_count + 1
    if shard.hold_count > HEADS then
      shard.holds, shard.hold_count = {}, 1
    end
  end
  shard.holds[run] = {by = args[4], patch = patch, since = time, till = time + ms, again = time + 2 * ms}
  return 1
end

-- args: epoch, run, '1' if only its end matters. Answers its seq (0: there is no such run) and 1 if it is over. Whoever
-- asks is told once, on `wf.events`, of the next event, or of the end.
local function watch(keys, args)
  local shard = enter(keys, args)
  if not shard then
    return changed()
  end
  local run, waits = args[2], args[3] == '1' and THE_END or ANY
  local is = call('HMGET', shard.prefix .. 'run:' .. run, 'seq', 'status')
  if not is[1] then
    return {0, 0}
  end
  if is[2] == 'succeeded' or is[2] == 'failed' or is[2] == 'cancelled' then
    return {tonumber(is[1]), 1}
  end
  local before = shard.watched[run]
  if not before then
    if shard.watch_count >= WATCHED then
      -- Those who waited look for themselves soon.
      shard.watched, shard.watch_count = {}, 0
    end
    shard.watch_count = shard.watch_count + 1
  end
  shard.watched[run] = (before and before ~= waits) and ANY + THE_END or waits
  return {tonumber(is[1]), 0}
end

-- args: epoch. From here on consumers' lists name only tasks that are out.
local function quiet(keys, args)
  local shard = enter(keys, args)
  if not shard then
    return changed()
  end
  settle(shard)
  return 1
end

-- args: epoch, time in ms, runs as they stand in `expire`. Answers how many were removed: those whose time has come.
local function drop(keys, args)
  local shard = enter(keys, args)
  if not shard then
    return changed()
  end
  local key, gone = shard.prefix .. 'expire', {}
  for i = 3, #args do
    local till = call('ZSCORE', key, args[i])
    if till and tonumber(till) <= tonumber(args[2]) then
      local run, tenant = match(args[i], '^(%S+) (.*)$')
      local is = call('HMGET', shard.prefix .. 'run:' .. run, 'key', 'patched')
      erase(shard, run, tenant, is[1], is[2])
      gone[#gone + 1] = args[i]
    end
  end
  spread('ZREM', key, gone, 1, #gone)
  return #gone
end

-- What makes room, and what comes before it, must go on when the memory is full.
redis.register_function{function_name = 'aob1_open', callback = open, flags = {'allow-oom'}}
redis.register_function('aob1_commit', commit)
redis.register_function('aob1_beat', beat)
redis.register_function('aob1_report', report)
redis.register_function('aob1_sweep', sweep)
redis.register_function('aob1_hold', hold)
redis.register_function{function_name = 'aob1_watch', callback = watch, flags = {'no-writes'}}
redis.register_function('aob1_settle', quiet)
redis.register_function('aob1_type', change_type)
redis.register_function{function_name = 'aob1_chain', callback = chain, flags = {'no-writes'}}
redis.register_function{function_name = 'aob1_patch', callback = patch, flags = {'no-writes'}}
redis.register_function('aob1_compact', compact)
redis.register_function('aob1_move', move)
redis.register_function{function_name = 'aob1_drop', callback = drop, flags = {'allow-oom'}}
redis.register_function('aob1_log', append_log)
redis.register_function('aob1_rate', rate)
redis.register_function('aob1_spend', spend)
