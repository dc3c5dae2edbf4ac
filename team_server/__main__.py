"""`python -m team_server`: start a team's tracking server, until it is ended."""

import shlex
import shutil
import signal
from pathlib import Path

import click

from team_server.postgresql import MissingProgramError
from team_server.processes import Processes
from team_server.server import ADMINISTRATOR, TeamServer


@click.command(context_settings={"show_default": True})
@click.option(
    "--folder",
    type=click.Path(file_okay=False, resolve_path=True, path_type=Path),
    default=".server",
    help="Everything that the server keeps; made where it is missing.",
)
@click.option("--port", default=5443, help="That it answers on.")
@click.option(
    "--host", default="127.0.0.1", help="Address; 0.0.0.0 for other machines too."
)
@click.option(
    "--name", "names", multiple=True, help="A host name of this machine; repeatable."
)
@click.option("--workers", default=2, help="Processes that answer.")
@click.option("--database_port", default=5433, help="Of PostgreSQL, on 127.0.0.1.")
def main(
    *,
    folder: Path,
    port: int,
    host: str,
    names: tuple[str, ...],
    workers: int,
    database_port: int,
) -> None:
    """Start PostgreSQL and a tracking server with passwords and TLS.

    docs/server.md says what that is. Ctrl-C ends both; the next start goes on with what
    is in the folder.
    """
    if shutil.which("openssl") is None:
        raise click.ClickException("openssl is not on this machine")
    server = TeamServer(
        folder=folder,
        port=port,
        database_port=database_port,
        host=host,
        names=names,
        workers=workers,
    )
    # A service is ended by SIGTERM, a program in a terminal by Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    processes = Processes(server)
    try:
        server.prepare()
        command = shlex.join(["mlflow", *server.command()[3:]])
        click.echo(f"starting PostgreSQL, and: {command}", err=True)
        processes.start()
        click.echo(_greeting(server))
        processes.wait()
    except (MissingProgramError, RuntimeError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("ended", err=True)
        return
    finally:
        processes.end()
    raise click.ClickException(f"the server has ended; see {folder}/log")


def _greeting(server: TeamServer) -> str:
    mine = server.user_environment(ADMINISTRATOR, server.password)
    lines = [f"export {name}={shlex.quote(value)}" for name, value in mine.items()]
    return "\n".join(
        [
            f"{server.uri} is up; Ctrl-C ends it. Its files: {server.folder}",
            "The administrator, who makes the other users (docs/server.md), sets:",
            *(f"  {line}" for line in lines),
        ]
    )


if __name__ == "__main__":
    main()
