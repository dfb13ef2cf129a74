// Nodes under PM2: `pm2 start deploy/pm2/ecosystem.config.js`. Settings come from the environment (docs/settings.md).
//
// PM2's cluster mode is for Node.js alone. Each node is a process of its own with a port of its own; the balancer
// (deploy/haproxy.cfg, deploy/nginx.conf) is in front of them.

const node = (number) => ({
  name: `dorami-${number}`,
  script: "dorami", // of the virtual environment whose bin is on PATH
  args: "serve",
  interpreter: "none",
  exec_mode: "fork",
  instances: 1,
  env: { NODE_ID: `node-${number}`, PORT: String(3010 + number) },
  kill_timeout: 30000, // a node drains within SHUTDOWN_TIMEOUT, 25 s
  exp_backoff_restart_delay: 500,
});

module.exports = { apps: [node(1), node(2)] };
