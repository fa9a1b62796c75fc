"""``vitrina reranker export``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from vitrina.api.cli.console import StoreOption, errors, output, print_line, settings_for
from vitrina.search.types.errors import RerankerError

if TYPE_CHECKING:
    from vitrina.tuning.export.comparison import RerankerAgreement, RerankerPace


def export(
    name: Annotated[str, typer.Argument(metavar="FOLDER", help="A reranker's folder, or embedded.")],
    folder: StoreOption = None,
) -> None:
    """Export a small reranker to ONNX Runtime, which is faster on a CPU, and compare it with PyTorch in speed and
    answers."""
    from vitrina.api.cli.encoder_export import sample_for
    from vitrina.search.encoders.base import Runtime
    from vitrina.search.encoders.compute import require_models
    from vitrina.search.reranking.backends import RerankerOptions
    from vitrina.search.reranking.backends.model_folders import local_folder
    from vitrina.search.reranking.backends.onnx.loading import load_exported

    require_models("torch", "transformers")
    from vitrina.search.reranking.backends.transformers.loading import load_reranker
    from vitrina.tuning.export.comparison import compare_rerankers, measure_reranker_paces
    from vitrina.tuning.export.reranker import export_reranker

    source = local_folder(name)
    if source is None:
        raise RerankerError(
            f"{name!r} is not a folder, and an export is written beside the weights.",
            remedy="Download the model first, and export its folder.",
        )
    with errors.status("Exporting, about a minute"):
        export_reranker(source)
    sample = sample_for(settings_for(folder))
    exported = load_exported(name, source, RerankerOptions(device="cpu", runtime=Runtime.ONNX))
    with errors.status("Measuring"), load_reranker(str(source), device="cpu") as torch, exported as onnx:
        agreement = compare_rerankers(torch, onnx, sample.images, sample.texts)
        paces = measure_reranker_paces([torch, onnx], sample.images, sample.texts)
    output.print(pace_table(*paces))
    show_agreement(agreement)
    print_line(f"Measured on images and titles of {sample.source}.")
    print_line(f"The export in {source} is used from now on wherever there is no GPU.")


def pace_table(torch: RerankerPace, onnx: RerankerPace) -> Table:
    """Times before and after."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("milliseconds", "PyTorch", "exported", "gain"):
        table.add_column(column, justify="left" if column == "milliseconds" else "right")
    for label, before, after in (
        (f"{torch.n_images} images, {torch.n_statements} statements, new", torch.new_ms, onnx.new_ms),
        ("the same images again", torch.known_ms, onnx.known_ms),
        ("one explanation", torch.writing_ms, onnx.writing_ms),
    ):
        table.add_row(label, f"{before:,.1f}", f"{after:,.1f}", f"{before / after:.2f}x")
    return table


def show_agreement(agreement: RerankerAgreement) -> None:
    """Print how close both runtimes' answers are."""
    print_line(
        f"P(yes) of {agreement.n_answers:,} statements differs by {agreement.max_difference:.5f} at most; "
        f"{agreement.n_same_texts} of {agreement.n_texts} explanations are the same."
    )
