-- Asks mintgate about every request: sets who calls, or answers with the finished refusal.

local socket = require("socket")

local url = assert(os.getenv("MINTGATE_GATE_URL"), "MINTGATE_GATE_URL is not set")
local secret = assert(os.getenv("MINTGATE_GATE_SECRET"), "MINTGATE_GATE_SECRET is not set")
local host, port, path = url:match("^http://([^:/]+):?(%d*)(/.*)$")
assert(host, "MINTGATE_GATE_URL is no http address")
port = tonumber(port) or 80

-- Headers that are about the client's connection or body, which the call does not have.
local not_passed = {
  ["connection"] = true, ["content-length"] = true, ["expect"] = true, ["host"] = true,
  ["keep-alive"] = true, ["te"] = true, ["trailer"] = true, ["transfer-encoding"] = true,
  ["upgrade"] = true,
}
local away = '{"error":{"message":"The gate does not answer. Try again in a moment.",'
  .. '"code":503,"type":"temporarily_unavailable","info":""}}'
local link -- kept between requests

local function question(r)
  local lines = { "GET " .. path .. " HTTP/1.1", "Host: " .. host }
  local upgrade, connection = "", ""
  for name, value in pairs(r:headers_in_table()) do
    local plain = name:lower()
    if plain == "upgrade" then
      upgrade = value
    elseif plain == "connection" then
      connection = value
    end
    if plain:sub(1, 16) == "x-mintgate-gate-" then
      r.headers_in[name] = nil -- set below; nothing of them goes on to the API
    elseif not not_passed[plain] then
      lines[#lines + 1] = name .. ": " .. value
    end
  end
  lines[#lines + 1] = "X-Mintgate-Gate-Secret: " .. secret
  lines[#lines + 1] = "X-Mintgate-Gate-Method: " .. r.method
  lines[#lines + 1] = "X-Mintgate-Gate-Uri: " .. r.unparsed_uri
  lines[#lines + 1] = "X-Mintgate-Gate-Address: " .. r.useragent_ip
  lines[#lines + 1] = "X-Mintgate-Gate-Upgrade: " .. upgrade
  lines[#lines + 1] = "X-Mintgate-Gate-Connection: " .. connection
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

-- Status, headers and body; nil when there is no whole answer.
local function answer_to(text)
  if not link:send(text) then
    return nil
  end
  local line = link:receive("*l")
  local status = line and tonumber(line:match("^HTTP/1%.1 (%d%d%d)"))
  if not status then
    return nil
  end
  local headers = {}
  while true do
    line = link:receive("*l")
    if not line then
      return nil
    end
    if line == "" then
      break
    end
    local name, value = line:match("^([^:]+):%s*(.-)%s*$")
    headers[#headers + 1] = { name:lower(), value }
    headers[name:lower()] = value
  end
  -- Whatever was left unread would be taken for the answer to the next request.
  local length = status == 204 and 0 or tonumber(headers["content-length"])
  if not length or headers["transfer-encoding"] then
    return nil
  end
  local body = ""
  if length > 0 then
    body = link:receive(length)
  end
  return body and status, headers, body
end

local function ask(text)
  for try = 1, 2 do
    local is_new = link == nil
    if is_new then
      link = socket.tcp()
      link:settimeout(10)
      if not link:connect(host, port) then
        link = nil
        return nil
      end
      link:setoption("tcp-nodelay", true)
    end
    local status, headers, body = answer_to(text)
    if status then
      return status, headers, body
    end
    link:close()
    link = nil
    if is_new then
      return nil
    end
    -- A connection that was kept may have ended meanwhile: once more, with a new one.
  end
end

function check(r)
  local status, headers, body = ask(question(r))
  if not status then
    status, body = 503, away
    headers = { { "content-type", "application/json" }, { "retry-after", "5" },
      { "cache-control", "no-store" } }
  end
  if status == 204 then
    for _, header in ipairs(headers) do
      if header[1]:sub(1, 11) == "x-mintgate-" then
        r.headers_in[header[1]] = header[2]
      elseif header[1] == "ratelimit" or header[1] == "ratelimit-policy" then
        r.err_headers_out[header[1]] = header[2]
      end
    end
    return apache2.OK
  end
  r.status = status
  for _, header in ipairs(headers) do
    local name = header[1]
    if name == "content-type" then
      r.content_type = header[2]
    elseif name ~= "connection" and name ~= "content-length" and name ~= "date"
      and name ~= "server" and name ~= "transfer-encoding" then
      r.err_headers_out[name] = header[2]
    end
  end
  r:write(body)
  return apache2.DONE
end
