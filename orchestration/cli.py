"""The `tidegauge` command: thin sub-commands around runner, warehouse and release; exit codes as documented in --help."""

from __future__ import annotations

import os
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration import __version__
from orchestration.settings import PACKAGE_ROOT, ConfigurationError, Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestration.runner import Outcome

EPILOG = (
    "Exit codes: 0 done, 1 unexpected (a damaged warehouse, a defect), 2 usage or configuration, 3 a source (or the alert "
    "webhook under test) failed, "
    "4 a gate is closed, 75 another run holds the warehouse."
)

app = typer.Typer(
    name="tidegauge",
    help="Macro liquidity x crypto: extract, gate, model, release.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

Home = Annotated[Path | None, typer.Option("--home", help="Folder of all state; TIDEGAUGE_HOME, else data/live.")]
AsOf = Annotated[
    datetime | None,
    typer.Option(
        "--as-of",
        formats=["%Y-%m-%dT%H:%MZ", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"],
        help="Build only from what was public at this UTC instant.",
    ),
]
Day = datetime
DAY = ["%Y-%m-%d"]
MONTH = ["%Y-%m", "%Y-%m-%d"]


@app.command()
def run(
    home: Home = None,
    from_: Annotated[
        datetime | None,
        typer.Option(
            "--from",
            formats=DAY,
            help="First day to ask for; default: what is new. Cboe and DefiLlama always bring it all.",
        ),
    ] = None,
    to: Annotated[
        datetime | None, typer.Option("--to", formats=DAY, help="Last day to ask for; default: today.")
    ] = None,
    as_of: AsOf = None,
    only: Annotated[list[str] | None, typer.Option("--only", help="Ask this provider alone; repeat for more.")] = None,
    mirror: Annotated[
        str | None, typer.Option("--mirror", help="Ask <URL>/<provider> instead of the real hosts; TIDEGAUGE_MIRROR.")
    ] = None,
) -> None:
    """Extract what is new, gate it, build the marts, gate them, analyse and release."""
    settings = load_settings(home=home, mirror=mirror)
    if from_ and to and from_ > to:
        raise ConfigurationError(f"--from {from_:%Y-%m-%d} lies after --to {to:%Y-%m-%d}: swap them")
    from orchestration.extract.run import active_providers

    active_providers(settings, tuple(only or ()))
    extract = {
        "start": from_.date().isoformat() if from_ else None,
        "end": to.date().isoformat() if to else None,
        "only": only or [],
    }
    today = settings.now().date()
    months = None if from_ or to else (today, today)
    _finish(settings, _run(settings, {k: v for k, v in extract.items() if v}, as_of, months=months))


@app.command()
def backfill(
    from_: Annotated[datetime, typer.Option("--from", formats=MONTH, help="First month, such as 2015-01.")],
    to: Annotated[
        datetime | None, typer.Option("--to", formats=MONTH, help="Last month; default: the present one.")
    ] = None,
    home: Home = None,
    only: Annotated[list[str] | None, typer.Option("--only", help="Ask this provider alone; repeat for more.")] = None,
    mirror: Annotated[str | None, typer.Option("--mirror", help="As in `run`.")] = None,
) -> None:
    """Ask for whole months again, in one run, then gate, build and release as `run` does.

    Each series is asked for the months and its look-back before them; what is held already adds nothing. Killed on its way,
    the same command goes on with the sources that were not loaded yet. The Dagster UI shows which months were asked for.
    """
    settings = load_settings(home=home, mirror=mirror)
    from orchestration.extract.run import active_providers

    active_providers(settings, tuple(only or ()))
    months = (from_.date(), (to or settings.now()).date())
    _finish(settings, _run(settings, {"only": only} if only else {}, None, months=months))


@app.command()
def replay(
    archive: Annotated[
        Path | None, typer.Argument(help="Folder of archived responses; default: the home's own archive.")
    ] = None,
    home: Home = None,
    as_of: AsOf = None,
) -> None:
    """Rebuild from archived responses, each at its own fetch instant, with the network off."""
    settings = load_settings(home=home)
    _replay(settings, archive or settings.archive_dir, as_of)


@app.command()
def demo(
    home: Annotated[Path, typer.Option("--home", help="Folder of all state.")] = Path("data/demo"),
) -> None:
    """Replay the bundled sample of real, rounded figures through the whole pipeline; needs no network and no key."""
    _replay(load_settings(home=home), PACKAGE_ROOT / "sample", None)
    typer.echo(
        f'\nAsk it something:  tidegauge query --home {home} "select * from marts.liquidity order by day desc limit 5"\n'
        f"Read the report:   {home}/releases/current/report.html"
    )


def _replay(settings: Settings, archive: Path, as_of: datetime | None) -> None:
    from orchestration.extract.archive import Archive, ArchiveError

    try:
        clock = settings.now_override or Archive(archive).last_fetch()
    except ArchiveError as error:
        raise ConfigurationError(str(error)) from None
    settings = settings.at(clock)
    _finish(settings, _run(settings, {"archive": str(archive.resolve())}, as_of))


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="One statement, such as 'select * from marts.liquidity limit 5'.")],
    home: Home = None,
    csv: Annotated[bool, typer.Option("--csv", help="Write CSV instead of a table.")] = False,
) -> None:
    """Ask the current release; read-only, without access to other files."""
    import duckdb

    from orchestration.warehouse import connect, release

    settings = load_settings(home=home)
    database = release.current(settings.releases_dir) / "tidegauge.duckdb"
    with connect(database, read_only=True, sandboxed=True) as con:
        try:
            relation = con.sql(sql)
            if relation is None:
                return
            if csv:
                sys.stdout.write(relation.df().to_csv(index=False))
            else:
                relation.show(max_width=_width(), max_rows=200)
        except duckdb.Error as error:
            raise ConfigurationError(f"the query failed: {error}") from None


@app.command()
def report(
    home: Home = None,
    as_of: AsOf = None,
    lang: Annotated[str, typer.Option(help="Language the page opens in: en or ja. It holds both.")] = "en",
    output: Annotated[Path | None, typer.Option(help="Write a copy of the page to this file.")] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Show where the report is: the page of the current release, drawn and gated when that was made.

    With --as-of: the page of a release built as of that instant when there is one; otherwise the archive is replayed into
    a temporary home as of it, which takes as long as a run, and the page is kept below <home>/reports.
    """
    from orchestration.report.page import in_language
    from orchestration.report.texts import LANGUAGES
    from orchestration.warehouse import release

    settings = load_settings(home=home)
    if lang not in LANGUAGES:
        raise ConfigurationError(f"--lang {lang}: choose from {', '.join(LANGUAGES)}")
    if as_of is None:
        page = release.report_of(release.current(settings.releases_dir))
    else:
        page = _report_as_of(settings, as_of.replace(tzinfo=UTC))
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(in_language(page.read_text("utf-8"), lang), "utf-8")
        page = output
    address = page.resolve().as_uri() + (f"?lang={lang}" if lang != "en" and not output else "")
    typer.echo(address)
    if open_:
        import webbrowser

        if not webbrowser.open(address):
            raise ConfigurationError("no browser could be started: open the address above yourself")


def _report_as_of(settings: Settings, as_of: datetime) -> Path:
    """The page of what was known at an instant, from a release or from a build of its own."""
    import shutil
    import tempfile

    from orchestration.warehouse import release

    kept: Path = settings.home / "reports" / f"{as_of:%Y%m%dT%H%M%SZ}.html"
    if folder := release.built_as_of(settings.releases_dir, as_of):
        typer.echo(f"release {folder.name} was built as of {as_of:%Y-%m-%d %H:%M} UTC", err=True)
        return release.report_of(folder)
    is_excerpt = release.read_manifest(release.current(settings.releases_dir)).get("is_excerpt", False)
    archive = settings.archive_dir if settings.archive_dir.is_dir() or not is_excerpt else PACKAGE_ROOT / "sample"
    typer.echo(f"no release as of {as_of:%Y-%m-%d %H:%M} UTC: replaying {archive} as of it", err=True)
    with tempfile.TemporaryDirectory(prefix="tidegauge-") as temporary:
        past = settings.model_copy(update={"home": Path(temporary)})
        _replay(past, archive, as_of)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(release.report_of(release.current(past.releases_dir)), kept)
    return kept


@app.command()
def status(
    home: Home = None,
    terms: Annotated[
        bool, typer.Option("--terms", help="Show what each source allows and how it wants to be named, instead.")
    ] = False,
) -> None:
    """Show the releases, the gates, and each series' newest figure with its age against its release rule."""
    from rich.console import Console

    from orchestration.terminal import gates_table, releases_table, series_table, terms_table

    console = Console(width=_width())
    if terms:
        from orchestration.catalog import load_catalog

        console.print(terms_table(load_catalog()))
        return

    from orchestration.quality import store
    from orchestration.quality.checks import GATES
    from orchestration.warehouse import connect

    settings = load_settings(home=home)
    console.print(releases_table(settings.releases_dir))
    with connect(settings.warehouse_path, read_only=True, wait_seconds=settings.busy_timeout_seconds) as con:
        for gate in GATES:
            console.print(gates_table(gate, store.last_results(con, gate)))
        console.print(series_table(con, settings.now()))


@app.command()
def doctor(
    home: Home = None,
    only: Annotated[list[str] | None, typer.Option("--only", help="Ask this provider alone; repeat for more.")] = None,
    mirror: Annotated[str | None, typer.Option("--mirror", help="As in `run`.")] = None,
) -> None:
    """Ask each source one small thing: is its key good, does it answer, is the answer well built, how new is it.

    Exit code 3 when a source that was asked would not yield rows now. Nothing is stored.
    """
    from rich.console import Console

    from orchestration.catalog import load_catalog
    from orchestration.extract.doctor import diagnose
    from orchestration.extract.run import active_providers
    from orchestration.runner import SOURCE_FAILED
    from orchestration.terminal import doctor_table

    settings = load_settings(home=home, mirror=mirror)
    catalog = load_catalog()
    reasons = active_providers(settings, tuple(only or ()))
    wanted = {name: reason for name, reason in reasons.items() if not only or name in only}
    console = Console(width=_width())
    with Console(stderr=True).status(f"asking {sum(not each for each in wanted.values())} sources"):
        found = list(diagnose(catalog, settings.stopped(), wanted))
    console.print(doctor_table(found))
    if any(each.is_ill for each in found):
        raise typer.Exit(SOURCE_FAILED)


@app.command()
def verify(home: Home = None) -> None:
    """Read a home back: the ledger's chain, every archived response, every acknowledged load, every file of the releases.

    Exit code 1 when something is missing or was changed. Nothing is written.
    """
    from orchestration.assets.sources import refuse_lost_loads
    from orchestration.extract.archive import Archive, ArchiveError
    from orchestration.runner import UNEXPECTED
    from orchestration.warehouse import WarehouseError, connect
    from orchestration.warehouse import release as folders
    from orchestration.warehouse.ledger import Ledger, LedgerError

    settings = load_settings(home=home)
    ledger = Ledger(settings.ledger_path)

    def loads() -> int:
        with connect(settings.warehouse_path, read_only=True, wait_seconds=settings.busy_timeout_seconds) as con:
            refuse_lost_loads(con, ledger)
            return len(con.execute("select load_id from raw.loads").fetchall())

    is_ill = False
    checks: dict[str, Callable[[], int]] = {
        "lines of the ledger": lambda: sum(1 for _ in ledger.entries()),
        "archived responses": lambda: sum(1 for _ in Archive(settings.archive_dir).read()),
        "loads in the warehouse": loads,
        "files of releases": lambda: sum(
            folders.verify(settings.releases_dir / n) for n in folders.names(settings.releases_dir)
        ),
    }
    for what, check in checks.items():
        try:
            typer.echo(f"{what}: {check():,}, as they were written")
        except (LedgerError, ArchiveError, WarehouseError, folders.ReleaseError) as error:
            is_ill = True
            typer.secho(f"{what}: {error}", fg="red", err=True)
    if is_ill:
        raise typer.Exit(UNEXPECTED)


@app.command()
def alerts(
    home: Home = None,
    test: Annotated[
        bool, typer.Option("--test", help="Send a test alert to log and webhook; exit code 3 when it is not taken.")
    ] = False,
) -> None:
    """Show the alerts that stand and the latest that were told, each cause at most once."""
    settings = load_settings(home=home)
    if test:
        from orchestration.alerts.review import send_test
        from orchestration.runner import SOURCE_FAILED

        delivery = send_test(settings)
        typer.echo(f"webhook: {delivery.state}" + (f", {delivery.reason}" if delivery.reason else ""))
        if delivery.state != "taken":
            raise typer.Exit(SOURCE_FAILED)
        return
    from rich.console import Console

    from orchestration.alerts.memory import Memory
    from orchestration.terminal import alerts_tables

    memory = Memory(settings.home)
    memory.read()
    for table in alerts_tables(memory.entries):
        Console(width=_width()).print(table)


releases = typer.Typer(help="List, export, copy for the public, roll back or prune the releases.")
app.add_typer(releases, name="release")


@releases.callback(invoke_without_command=True)
def release(
    context: typer.Context,
    home: Home = None,
    public: Annotated[
        bool,
        typer.Option("--public", help="Copy the current release without what the owners of the data do not let pass."),
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", help="New folder of the copy; default: <home>/public/<release>.")
    ] = None,
) -> None:
    """List the releases on disk, or with --public copy what of the current one may be passed on."""
    if context.invoked_subcommand:
        return
    from rich.console import Console

    from orchestration.terminal import public_table, releases_table
    from orchestration.warehouse import release as folders

    settings = load_settings(home=home)
    console = Console(width=_width())
    if not public:
        console.print(releases_table(settings.releases_dir))
        return
    from orchestration.catalog import load_catalog
    from orchestration.catalog.origins import Permission, load_origins

    folder = folders.current(settings.releases_dir)
    target = output or settings.home / "public" / folder.name
    folders.export_public(folder, target, Permission(load_catalog()), load_origins())
    console.print(public_table(folders.read_manifest(target)))
    typer.echo(f"Written {target}; name the sources as manifest.json lists them under attributions.")


@releases.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Folder to write to; files of an earlier export are replaced.")],
    tables: Annotated[
        list[str] | None, typer.Argument(help="Tables, such as liquidity or analytics.claims; default: all.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="csv (a file for each table) or xlsx (one workbook).")] = "csv",
    home: Home = None,
) -> None:
    """Write the current release for a spreadsheet: text never becomes a formula there, instants are in UTC."""
    from orchestration.warehouse import release as folders
    from orchestration.warehouse import spreadsheet

    settings = load_settings(home=home)
    for path in spreadsheet.export(folders.current(settings.releases_dir), folder, form, tables or ()):
        typer.echo(path)


@releases.command()
def rollback(
    name: Annotated[
        str | None, typer.Argument(help="Release to go back to; default: the one before the current.")
    ] = None,
    home: Home = None,
) -> None:
    """Point `current` at an older release; nothing is deleted, and the next run releases anew."""
    from orchestration.warehouse import release as folders
    from orchestration.warehouse.ledger import Ledger

    settings = load_settings(home=home)
    folder = folders.roll_back(settings.releases_dir, name)
    Ledger(settings.ledger_path).append("rollback", release=folder.name)
    typer.echo(f"current is {folder.name}")


@releases.command()
def prune(
    keep: Annotated[int | None, typer.Option(min=1, help="Newest releases to keep; TIDEGAUGE_RELEASES_KEPT.")] = None,
    home: Home = None,
) -> None:
    """Delete the oldest releases; the current one always stays."""
    from orchestration.warehouse import release as folders

    settings = load_settings(home=home)
    gone = folders.prune(settings.releases_dir, keep or settings.releases_kept)
    typer.echo(f"deleted {', '.join(gone)}" if gone else "nothing to delete")


@app.command()
def ui(
    home: Home = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on. There is no login: keep it on this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the web server.")] = 3000,
    mirror: Annotated[str | None, typer.Option("--mirror", help="As in `run`.")] = None,
) -> None:
    """Start Dagster's web server and daemon on this machine."""
    from orchestration.runner import POSTGRES_VARIABLE, configure_instance

    settings = load_settings(home=home, mirror=mirror)
    # Dagster is not imported here: its code server is about to do that, and to prepare dbt's manifest.
    configure_instance(settings)
    # The server works in the checkout: what this folder's .env says has to come along. Postgres has its variable already.
    given = {name: value for name, value in settings.as_environment().items() if name != POSTGRES_VARIABLE}
    environment = (
        os.environ
        | given
        | {
            "DAGSTER_HOME": str(settings.dagster_dir.resolve()),
            "DAGSTER_DISABLE_TELEMETRY": "yes",
            "TIDEGAUGE_HOME": str(settings.home.resolve()),
            "TIDEGAUGE_INBOX": str(settings.inbox_dir.resolve()),
        }
    )
    os.chdir(PACKAGE_ROOT)
    listen = ["-h", host, "-p", str(port)]
    command = [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", *listen]
    # A web server replaces this process; nothing of a user's reaches a shell.
    os.execve(sys.executable, command, environment)  # noqa: S606


@app.command(hidden=True)
def sample(
    mirror: Annotated[str, typer.Option("--mirror", help="A mirror whose clock may be moved through /__control.")],
    out: Annotated[Path, typer.Option(help="Where the archive of excerpts is written.")] = Path("sample"),
    inbox: Annotated[Path | None, typer.Option(help="Folder of chart exports to excerpt.")] = None,
) -> None:
    """Build the demo's archive: small, rounded excerpts of what the providers serve. For maintainers."""
    from orchestration.sample import build_sample

    size = build_sample(mirror.rstrip("/"), out, inbox)
    typer.echo(f"{out}: {size / 1e6:.2f} MB")


def _run(
    settings: Settings, extract: dict[str, Any], as_of: datetime | None, months: tuple[date, date] | None = None
) -> Outcome:
    from orchestration.runner import run_pipeline

    typer.echo(f"tidegauge {__version__}  home {settings.home}  clock {settings.now():%Y-%m-%d %H:%M} UTC", err=True)
    return run_pipeline(
        settings,
        extract=extract,
        months=months,
        as_of=as_of.replace(tzinfo=UTC).isoformat() if as_of else None,
        what=f"tidegauge {sys.argv[1] if len(sys.argv) > 1 else 'run'}",
    )


def _finish(settings: Settings, outcome: Outcome) -> None:
    from rich.console import Console

    from orchestration.terminal import run_tables
    from orchestration.warehouse import connect

    if settings.warehouse_path.exists():
        with connect(settings.warehouse_path, read_only=True) as con:
            for table in run_tables(
                con, outcome.run_id, settings.releases_dir, released="release" in outcome.materialized
            ):
                Console(width=_width()).print(table)
    for error in outcome.errors:
        typer.secho(error, fg="red", err=True)
    if outcome.exit_code:
        typer.secho(f"run {outcome.run_id} failed; the last release is untouched", fg="red", err=True)
        raise typer.Exit(outcome.exit_code)


def _width() -> int:
    import shutil

    return shutil.get_terminal_size((140, 24)).columns


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(f"tidegauge {__version__}")
        raise typer.Exit


def main() -> None:
    """Entry point: turns our own errors into one line and an exit code, everything else into a traceback."""
    from orchestration.catalog import CatalogError
    from orchestration.runner import BUSY, UNEXPECTED, USAGE
    from orchestration.warehouse import WarehouseBusyError, WarehouseError
    from orchestration.warehouse.ledger import LedgerError
    from orchestration.warehouse.release import ReleaseError

    try:
        app()
    except WarehouseBusyError as error:
        code, text = BUSY, str(error)
    except (ConfigurationError, CatalogError, ReleaseError) as error:
        code, text = USAGE, str(error)
    except (WarehouseError, LedgerError) as error:
        code, text = UNEXPECTED, str(error)
    else:
        return
    typer.secho(f"tidegauge: {text}", fg="red", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
