"""`python -m lumina_api.demo`: the command `lumina demo`, as `lumina up` starts it."""

import typer

from lumina_api.demo.command import demo

if __name__ == "__main__":
    typer.run(demo)
