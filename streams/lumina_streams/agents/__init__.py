"""The agents: each reads like its line in the flow, and leaves every decision to `core`."""
