"""Commands on studies: ``run study.toml``, ``info study.h5``, ``cite study.h5``."""

from pathlib import Path

import click


@click.command()
@click.argument("plan", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--quiet", is_flag=True, help="No progress on the standard error.")
def run(plan: Path, quiet: bool) -> None:
    """Run the study that PLAN, a study.toml, describes; resumes where it was interrupted."""
    from equatorium.study.plan import read_plan

    job = read_plan(plan)
    job.study.steps.progress = not quiet
    try:
        files = job.execute()
    except KeyboardInterrupt:
        raise click.ClickException(
            f"interrupted. Everything finished is in {job.study.steps.path}; "
            f"the same command goes on from there."
        ) from None
    click.echo(job.study.summary())
    click.echo("\nWritten:")
    for file in [job.study.steps.path, *files]:
        click.echo(f"  {file}")


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def info(file: Path) -> None:
    """Show what FILE, a study or a saved object, holds."""
    from equatorium import storage
    from equatorium.study.steps import Steps

    current = Steps(file).current()
    if current:
        for step, key in current.items():
            click.echo(f"{step:<20} {key}  {storage.describe(Steps(file).latest(step))}")
    else:
        click.echo(storage.describe(storage.load(file)))


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def cite(file: Path) -> None:
    """List the references of the methods that FILE, a study, used."""
    from equatorium.study.steps import Steps

    kept = Steps(file).latest("citations")
    if kept is None:
        raise click.ClickException(
            f"{file} has no citations yet: its study has not come to its report"
        )
    click.echo(kept["text"])
