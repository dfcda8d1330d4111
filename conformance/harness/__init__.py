"""What the plugin and the command are made of: choices, records of calls, parity, the reporter."""
