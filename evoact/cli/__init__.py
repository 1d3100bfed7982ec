"""The command line: `main` knows every command of `commands`; other modules are what several of them print."""
