// A node on all cores under PM2: `pm2 start deploy/pm2/ecosystem.config.js`. Settings come from the environment (docs/settings.md).
//
// PM2's cluster mode is for Node.js alone: here it starts one process, the master, which starts the workers. For a new
// version without a pause: `pm2 sendSignal SIGHUP dorami`, or `dorami reload`. (`pm2 reload` restarts in fork mode.)

module.exports = {
  apps: [
    {
      name: "dorami",
      script: "dorami", // of the virtual environment whose bin is on PATH
      args: "serve --workers max",
      interpreter: "none",
      exec_mode: "fork",
      instances: 1,
      kill_timeout: 40000, // workers drain within SHUTDOWN_TIMEOUT, 25 s
      exp_backoff_restart_delay: 500,
    },
  ],
};
