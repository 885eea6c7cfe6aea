-- wrk -s cycle.lua URL -- FOLDER: posts FOLDER/000.bin, 001.bin, … in turn with the headers in
-- FOLDER/headers and prints one line of JSON at the end.
function init(args)
  for line in io.lines(args[1] .. "/headers") do
    local name, value = line:match("^(.-): (.*)$")
    wrk.headers[name] = value
  end
  requests, at = {}, 0
  while true do
    local file = io.open(string.format("%s/%03d.bin", args[1], #requests), "rb")
    if not file then break end
    requests[#requests + 1] = wrk.format("POST", wrk.path, nil, file:read("*a"))
    file:close()
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'JSON {"requests":%d,"rate":%.2f,"p50_ms":%.3f,"p90_ms":%.3f,"p99_ms":%.3f,"errors":%d}\n',
    summary.requests, summary.requests / (summary.duration / 1e6),
    latency:percentile(50) / 1e3, latency:percentile(90) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
