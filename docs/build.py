"""Write `docs/objectives.md` and its figure from the catalogs: `python docs/build.py`, or `--check` to compare.

Fails where a public name of `seqpo.objectives` or `seqpo.advantages` has nothing to be shown.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from seqpo import advantages, objectives
from seqpo.objectives import Objective
from seqpo.segments import Segments

DOCS = Path(__file__).parent
PAGE = DOCS / "objectives.md"
TEMPLATE = DOCS / "templates" / "objectives.md"
FIGURE = DOCS / "figures" / "objectives.png"

CONSTANTS = {
    "CATALOG": "The entries above, by name: a mapping to what builds each, its paper and its formula.",
    "KL_FORMS": "The forms of `kl_penalty`.",
}


def main(arguments: list[str]) -> int:
    """Write or check the page; return the exit status."""
    text = page()
    if "--check" not in arguments:
        PAGE.write_text(text, encoding="utf-8")
        draw()
        return 0
    if not FIGURE.exists() or not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        print(f"{PAGE} is not what the catalogs say: run python docs/build.py", file=sys.stderr)
        return 1
    return 0


def page() -> str:
    """Return the page as Markdown: the template, with what the catalogs say."""
    said = {
        "note": "written by docs/build.py from docs/templates/objectives.md and the catalogs: edit those",
        "objectives_table": overview(objectives),
        "objectives": "\n".join(map(objective_section, objectives.names())),
        "advantages_table": overview(advantages),
        "advantages": "\n".join(map(advantage_section, advantages.names())),
        "parts": public_names("seqpo.objectives", objectives) + "\n" + public_names("seqpo.advantages", advantages),
    }
    text = TEMPLATE.read_text(encoding="utf-8")
    for name, part in said.items():
        text = text.replace("{" + name + "}", part)
    return text


def overview(catalog: ModuleType) -> str:
    """Return the table of a catalog."""
    rows = [f"| [`{name}`](#{anchor(name)}) | {e.summary} | {e.paper} |" for name, e in catalog.CATALOG.items()]
    return "\n".join(["| name | | paper |", "|---|---|---|", *rows, ""])


def anchor(name: str) -> str:
    """Return the anchor that Markdown gives to the heading of a name."""
    return name.replace("+", "")


def objective_section(name: str) -> str:
    """Return what the page says about an objective."""
    entry = objectives.CATALOG[name]
    made = objectives.get(name)
    chosen = [f"level {made.level}", f"φ {made.gate!r}"]
    chosen += [f"{made.pool} pool"] if made.level != "token" else []
    chosen += [f"ψ {made.weighting!r}", f"credit {made.credit}" if made.credit != "level" else "", made.aggregate]
    return section(name, entry, " · ".join(filter(None, chosen)))


def advantage_section(name: str) -> str:
    """Return what the page says about an advantage."""
    made = advantages.get(name)
    needs = ", ".join(f"`inputs.{need}`" for need in made.needs) or "the rewards alone"
    return section(name, advantages.CATALOG[name], f"one per {made.level} · needs {needs}")


def section(name: str, entry: Any, parts: str) -> str:
    """Return heading, text, formula, parts, options and paper of an entry.

    Raises:
        ValueError: an entry without a docstring, a formula or a paper, or without a plain loop.
    """
    text = inspect.getdoc(entry.build)
    if not (text and entry.formula and entry.paper):
        raise ValueError(f"{name} has no docstring, formula or paper to show")
    if entry.reference is None:
        raise ValueError(f"{name} has no plain loop: write a function {entry.build.__name__} in reference.py")
    options = ", ".join(f"`{p.name}={p.default!r}`" for p in inspect.signature(entry.build).parameters.values())
    lines = [f"### {name}\n", text, f"\n$$ {entry.formula} $$\n", f"- parts: {parts}"]
    lines += [f"- options: {options or 'none'}", f"- as a plain loop: {link(entry.reference)}"]
    return "\n".join([*lines, f"- paper: {entry.paper}\n"])


def link(function: Callable[..., Any]) -> str:
    """Return a link from the page to the very line where a function begins."""
    path = Path(inspect.getfile(function))
    where = Path(os.path.relpath(path, PAGE.parent)).as_posix()
    return f"[`{path.parent.name}/{path.name}`]({where}#L{inspect.getsourcelines(function)[1]})"


def public_names(title: str, module: ModuleType) -> str:
    """Return the table of a module's public names that are no entries of its catalog.

    Raises:
        ValueError: a name without a docstring.
    """
    entries = {entry.build for entry in module.CATALOG.values()}
    rows = []
    for name in sorted(module.__all__, key=str.lower):
        thing = getattr(module, name)
        if callable(thing) and thing in entries:
            continue
        text = inspect.getdoc(thing) if callable(thing) else CONSTANTS.get(name)
        if not text:
            raise ValueError(f"{title}.{name} is public and has nothing to show")
        rows.append(f"| `{name}` | {text.partition(chr(10))[0]} |")
    return "\n".join([f"### {title}\n", "| name | |", "|---|---|", *rows, ""])


def draw() -> None:
    """Draw what each objective makes of the ratio of an episode of one token."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    made = {
        name: objectives.get(name, **({"max_length": 1} if name == "dr-grpo" else {})) for name in objectives.names()
    }
    made |= {f"sspo, {gate}": objectives.get("sspo", gate=gate) for gate in ("sigmoid", "erf", "softsign", "tanh")}
    ratios = torch.logspace(-1, 0.7, 171, base=10, dtype=torch.float64)
    figure, axes = pyplot.subplots(-(-len(made) // 5), 5, figsize=(14, 10.5), sharex=True, sharey=True)
    for axis, (name, objective) in zip(axes.flat, made.items(), strict=False):
        for sign, style in ((1.0, {"color": "tab:blue"}), (-1.0, {"color": "tab:red", "linestyle": "--"})):
            weights, factors = contributions(objective, ratios, sign)
            axis.plot(ratios, factors, linewidth=2.2, alpha=0.8, **style)
            if not objective.weighting.weighs_logprob:
                axis.plot(ratios, weights, linewidth=0.8, **style)
        axis.set(title=name, xscale="log", ylim=(-0.2, 3), xticks=[0.1, 0.5, 1, 2, 5])
        axis.set_xticklabels(["0.1", "0.5", "1", "2", "5"])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    for axis in axes.flat[len(made) :]:
        axis.set_visible(False)
    figure.supxlabel("ratio r")
    figure.tight_layout()
    figure.savefig(FIGURE, dpi=80, metadata={"Software": None})


def contributions(objective: Objective, ratios: torch.Tensor, sign: float) -> tuple[list[float], list[float]]:
    """Return ψ/A and ∂J/∂log π / A of episodes of one token with A = sign."""
    one = Segments(torch.zeros(1).long(), torch.zeros(1).long(), torch.zeros(1).long(), 1)
    advantage = torch.tensor([sign], dtype=ratios.dtype)
    weights, factors = [], []
    for ratio in ratios:
        logprob = ratio.log()[None].requires_grad_()
        value = objective(logprob, torch.zeros_like(logprob), advantage, one).value
        (slope,) = torch.autograd.grad(value, logprob)
        weights.append(-value.item() / sign)
        factors.append(-slope.item() / sign)
    return weights, factors


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
