"""For trainers that hold padded `[batch, time]` tensors and a mask: to flat action tokens and back."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from seqpo.segments import Segments


@dataclass(frozen=True)
class Padded:
    """How the action tokens of a padded batch lie in it.

        layout = Padded.of(mask)
        loss = objective(layout.flat(logprobs), layout.flat(old), layout.flat(advantages), layout.segments)

    A row is an episode, and a run of its action tokens a turn, so that tool output or source chunks between them
    (mask 0) part turns. A row without any action token is no episode: it counts in no mean,
    unless `denominators` says so.

    Attributes:
        mask: `[batch, time]` where the action tokens are.
        segments: of the action tokens, row by row.
        rows: `[episodes]` the row of each episode.
    """

    mask: Tensor
    segments: Segments
    rows: Tensor

    @classmethod
    def of(cls, mask: Tensor, group: Tensor | None = None) -> Padded:
        """Read a mask (this waits for the device once, as any change to a ragged shape does).

        Args:
            mask: `[batch, time]`, nonzero at action tokens.
            group: `[batch]` the group of each row, in any numbering; every row its own when omitted.

        Raises:
            ValueError: a mask that is not a matrix, or that has no action token; groups of another number of rows.
        """
        if mask.ndim != 2:
            raise ValueError(f"a mask is [batch, time], got shape {tuple(mask.shape)}")
        if group is not None and group.shape != mask.shape[:1]:
            raise ValueError(f"group has shape {tuple(group.shape)}, the mask has {len(mask)} rows")
        mask = mask.bool()
        row, time = mask.nonzero(as_tuple=True)
        if not row.numel():
            raise ValueError("the mask has no action token: nothing was chosen, so nothing can be learnt")
        begins = mask.clone()
        begins[:, 1:] &= ~mask[:, :-1]
        first = begins[row, time]
        rows, episode_of_token = row.unique_consecutive(return_inverse=True)
        turn = first.cumsum(0) - 1
        groups, member = (rows if group is None else group[rows]).unique(return_inverse=True)
        segments = Segments(turn, episode_of_token[first], member, groups.numel())
        return cls(mask, segments, rows)

    def flat(self, values: Tensor) -> Tensor:
        """Take `[batch, time]` values at the action tokens, or spread `[batch]` values over them: `[N]`.

        Raises:
            ValueError: values of another shape.
        """
        if values.shape == self.mask.shape:
            return values[self.mask]
        if values.shape == self.mask.shape[:1]:
            return self.segments.spread(values[self.rows], "sequence")
        raise ValueError(f"values have shape {tuple(values.shape)}, the mask {tuple(self.mask.shape)}")

    def pad(self, values: Tensor, fill: float = 0.0) -> Tensor:
        """Put `[N]` values back into their places: `[batch, time]`, `fill` elsewhere."""
        return values.new_full(self.mask.shape, fill).masked_scatter(self.mask, values)
