-- Holds a request of a backend that has no server to give it to, until there is one. HAProxy by itself would refuse it.

local fresh = 0.005 -- seconds for which a count of servers is good
local counts = {}   -- by backend

local function seconds()
	local now = core.now()
	return now.sec + now.usec / 1000000
end

-- servers returns how many servers a backend has that get requests, backups left out.
local function servers(backend, now)
	local c = counts[backend]
	if not c or now - c.at >= fresh or now < c.at then
		c = { at = now, n = core.backends[backend]:get_stats()["act"] }
		counts[backend] = c
	end
	return c.n
end

-- hold BACKEND SECONDS MOST: waits until the backend has a server, for so many seconds at the longest. Then, and when
-- more than MOST requests are in the backend already, it sets txn.refused.
core.register_action("hold", { "http-req" }, function(txn, backend, longest, most)
	local now = seconds()
	local began = now
	local again = txn.http:req_get_headers()["x-viot-again"]
	if again then -- it lost its first server then, and there is none by a count that may be younger than the one at hand
		began = tonumber(again[0]) / 1000
		counts[backend] = nil
	end
	local ends = began + tonumber(longest)
	while servers(backend, now) == 0 do
		-- What waits is what is in the backend: unlike a count kept here, it knows of clients that went away.
		local waiting = txn.f:be_conn(backend)
		if now >= ends or waiting > tonumber(most) then
			txn:set_var("txn.refused", true)
			return
		end
		-- The more wait, the less often each looks: 2000 do so every 50 ms.
		core.msleep(10 + waiting // 50)
		now = seconds()
	end
end, 3)
