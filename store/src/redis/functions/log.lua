
-- Bytes of a run's log at most.
local LOG = 1048576

-- Appends lines list[first..last]; each is kept as `<position> <bytes up to its end> <line>`, so that the two ends
-- of the list tell how long it is.
local function log(shard, run, list, first, last)
  local key = shard.prefix .. 'logs:' .. run
  local position, sum = match(call('LINDEX', key, -1) or '', '^(%d+) (%d+) ')
  position, sum = (tonumber(position) or -1) + 1, tonumber(sum) or 0
  local lines = {}
  for i = first, last do
    sum = sum + #list[i]
    lines[#lines + 1] = format('%.0f %.0f ', position, sum) .. list[i]
    position = position + 1
  end
  spread('RPUSH', key, lines, 1, #lines)
  repeat
    local page, gone = call('LRANGE', key, 0, PAGE - 1), 0
    for i = 1, #page do
      if sum - tonumber(match(page[i], ' (%d+) ')) < LOG - 16384 then
        break
      end
      gone = gone + 1
    end
    if gone > 0 then
      call('LTRIM', key, gone, -1)
    end
  until gone < PAGE
end

-- args: epoch, run, lines.
local function append_log(keys, args)
  local shard = enter(keys, args)
  if not shard then
    return changed()
  end
  if call('EXISTS', shard.prefix .. 'run:' .. args[2]) == 0 then
    return 0
  end
  log(shard, args[2], args, 3, #args)
  return 1
end
