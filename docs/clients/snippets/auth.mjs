const api = "http://localhost:3001/api/v1";

/** Send one request; throw the error of a refusal. */
async function call(method, path, body, token) {
  const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
  const response = await fetch(api + path, { method, headers, body: JSON.stringify(body) });
  const answer = response.status === 204 ? null : await response.json();
  if (!response.ok) throw Object.assign(new Error(answer.message), answer); // errorCode, retryable, retryAfterMs, details
  return answer;
}

// A guest watches, reads the chat and follows products. With the same `deviceId` an app is the same guest after a restart.
const guest = await call("POST", "/auth/guest", { deviceId: "a-device-id-that-the-app-keeps" });
console.log("guest", guest.user.role);

// An account. Keep both tokens: the access token is valid for minutes, the refresh token for days.
let session = await call("POST", "/auth/login", { email: "viewer2@example.com", password: "dorami-dev" });
console.log("member", session.user.username);

// Refresh before the access token expires. Each refresh token is valid for one exchange: keep the new one.
session = await call("POST", "/auth/refresh", { refreshToken: session.refreshToken });
console.log("who", (await call("GET", "/auth/me", undefined, session.accessToken)).username);

await call("POST", "/auth/logout", undefined, session.accessToken);
