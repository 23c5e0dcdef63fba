-- POST files in turn. Arguments: folder, count, content type, paths...
-- The bodies are the files 0.body, 1.body and so on; path and body change together.

local requests, turn = {}, 0

function init(args)
  local folder, count, kind = args[1], tonumber(args[2]), args[3]
  local paths = #args - 3
  for i = 0, count * paths - 1 do
    local file = assert(io.open(folder .. "/" .. (i % count) .. ".body", "rb"))
    local body = file:read("*a")
    file:close()
    local path = args[4 + i % paths]
    requests[i + 1] = wrk.format("POST", path, { ["Content-Type"] = kind }, body)
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    "RESULT requests=%d duration_us=%d p50_us=%d p99_us=%d status=%d failed=%d\n",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
