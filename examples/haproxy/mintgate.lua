-- Asks mintgate about every request: sets who calls, or answers with the finished refusal.

local url = assert(os.getenv("MINTGATE_GATE_URL"), "MINTGATE_GATE_URL is not set")
local secret = assert(os.getenv("MINTGATE_GATE_SECRET"), "MINTGATE_GATE_SECRET is not set")

-- Headers that are about the client's connection or body, which the call does not have.
local not_passed = {
  ["connection"] = true, ["content-length"] = true, ["expect"] = true, ["host"] = true,
  ["keep-alive"] = true, ["te"] = true, ["trailer"] = true, ["transfer-encoding"] = true,
  ["upgrade"] = true,
}
-- HAProxy's client for the call ends the whole of HAProxy at about 100 headers.
local most_headers = 80
local too_many = '{"error":{"message":"The request has too many headers.",'
  .. '"code":431,"type":"invalid_request","info":""}}'
local away = '{"error":{"message":"The gate does not answer. Try again in a moment.",'
  .. '"code":503,"type":"temporarily_unavailable","info":""}}'

-- The headers of a message, by name, as lists that begin at 1.
local function lists(headers)
  local found = {}
  for name, values in pairs(headers) do
    local list = {}
    for _, value in pairs(values) do
      list[#list + 1] = value
    end
    found[name] = list
  end
  return found
end

local json = { ["content-type"] = { "application/json" }, ["cache-control"] = { "no-store" } }

local function refuse(txn, status, headers, body)
  local reply = txn:reply({ status = status, body = body })
  for name, values in pairs(headers) do
    if name ~= "connection" and name ~= "content-length" and name ~= "transfer-encoding"
      and name ~= "date" and name ~= "server" then
      for _, value in pairs(values) do
        reply:add_header(name, value)
      end
    end
  end
  txn:done(reply)
end

core.register_action("mintgate", { "http-req" }, function(txn)
  local asked = {}
  local upgrade, connection = "", ""
  local count = 0
  local sent = lists(txn.http:req_get_headers())
  for name, values in pairs(sent) do
    if name == "upgrade" then
      upgrade = table.concat(values, ", ")
    elseif name == "connection" then
      connection = table.concat(values, ", ")
    end
    if not not_passed[name] then
      asked[name] = values
      count = count + #values
    end
    -- Overwritten below; nothing of them goes on to the API.
    if name:sub(1, 16) == "x-mintgate-gate-" then
      txn.http:req_del_header(name)
    end
  end
  if count > most_headers then
    refuse(txn, 431, json, too_many)
    return
  end
  asked["x-mintgate-gate-secret"] = { secret }
  asked["x-mintgate-gate-method"] = { txn.f:method() }
  asked["x-mintgate-gate-uri"] = { txn.f:pathq() }
  asked["x-mintgate-gate-address"] = { txn.f:src() }
  asked["x-mintgate-gate-upgrade"] = { upgrade }
  asked["x-mintgate-gate-connection"] = { connection }

  local answer = core.httpclient():get({ url = url, headers = asked, timeout = 10000 })
  if not answer or not answer.status or answer.status == 0 then
    refuse(txn, 503, { ["content-type"] = { "application/json" }, ["retry-after"] = { "5" },
      ["cache-control"] = { "no-store" } }, away)
    return
  end
  local told = lists(answer.headers)
  if answer.status ~= 204 then
    refuse(txn, answer.status, told, answer.body)
    return
  end
  for name, values in pairs(told) do
    if name:sub(1, 11) == "x-mintgate-" then
      txn.http:req_set_header(name, values[1])
    elseif name == "ratelimit" or name == "ratelimit-policy" then
      txn:set_var("txn.mintgate_" .. name:gsub("-", "_"), values[1])
    end
  end
  txn:set_var("txn.mintgate_allowed", true)
end)
