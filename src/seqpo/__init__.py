"""seqpo: sequence-level policy optimization.

    import seqpo

    seqpo.optimize(policy, task, seqpo.objectives.get("sspo"), seqpo.advantages.get("rloo"), …)

Names are imported when they are used: `seqpo.objectives` and `seqpo.advantages` need torch and nothing else.
"""

from typing import TYPE_CHECKING

from seqpo.lazy import lazily

__version__ = "0.1.0"

if TYPE_CHECKING:
    from seqpo import advantages as advantages
    from seqpo import objectives as objectives
    from seqpo.advantages import Advantage as Advantage
    from seqpo.advantages import AdvantageInputs as AdvantageInputs
    from seqpo.evaluation.statistics import Metric as Metric
    from seqpo.evaluation.statistics import TestSet as TestSet
    from seqpo.evaluation.statistics import per_example as per_example
    from seqpo.objectives import Objective as Objective
    from seqpo.objectives import PolicyLoss as PolicyLoss
    from seqpo.policies.causal_lm import CausalLMPolicy as CausalLMPolicy
    from seqpo.policies.models import ModelConfig as ModelConfig
    from seqpo.policies.models import load_model as load_model
    from seqpo.policies.models import new_model as new_model
    from seqpo.policies.network import NetworkCritic as NetworkCritic
    from seqpo.policies.network import NetworkPolicy as NetworkPolicy
    from seqpo.policies.network import mlp as mlp
    from seqpo.runs.config import EvaluationConfig as EvaluationConfig
    from seqpo.runs.config import RunConfig as RunConfig
    from seqpo.runs.kinds import Reinforced as Reinforced
    from seqpo.runs.kinds import Stage as Stage
    from seqpo.runs.kinds import Supervised as Supervised
    from seqpo.runs.kinds import TaskKind as TaskKind
    from seqpo.runs.systems import System as System
    from seqpo.segments import Denominators as Denominators
    from seqpo.segments import Segments as Segments
    from seqpo.sessions import Engine as Engine
    from seqpo.sessions import play as play
    from seqpo.training.critic import CriticConfig as CriticConfig
    from seqpo.training.loop import KLConfig as KLConfig
    from seqpo.training.loop import LoopConfig as LoopConfig
    from seqpo.training.loop import optimize as optimize
    from seqpo.training.optimizer import OptimizerConfig as OptimizerConfig
    from seqpo.training.supervised import SupervisedConfig as SupervisedConfig
    from seqpo.training.supervised import train_supervised as train_supervised
    from seqpo.training.world import World as World
    from seqpo.training.world import join_world as join_world
    from seqpo.types import Batch as Batch
    from seqpo.types import Episode as Episode
    from seqpo.types import Observation as Observation
    from seqpo.types import Policy as Policy
    from seqpo.types import Rewards as Rewards
    from seqpo.types import Task as Task
    from seqpo.types import Turn as Turn
    from seqpo.types import pack as pack

__getattr__, __all__ = lazily(
    __name__,
    {
        "seqpo.advantages": (),
        "seqpo.objectives": (),
        "seqpo.advantages.inputs": ("Advantage", "AdvantageInputs"),
        "seqpo.evaluation.statistics": ("Metric", "TestSet", "per_example"),
        "seqpo.objectives.formula": ("Objective", "PolicyLoss"),
        "seqpo.policies.causal_lm": ("CausalLMPolicy",),
        "seqpo.policies.models": ("ModelConfig", "load_model", "new_model"),
        "seqpo.policies.network": ("NetworkCritic", "NetworkPolicy", "mlp"),
        "seqpo.runs.config": ("EvaluationConfig", "RunConfig"),
        "seqpo.runs.kinds": ("Reinforced", "Stage", "Supervised", "TaskKind"),
        "seqpo.runs.systems": ("System",),
        "seqpo.segments": ("Denominators", "Segments"),
        "seqpo.sessions": ("Engine", "play"),
        "seqpo.training.critic": ("CriticConfig",),
        "seqpo.training.loop": ("KLConfig", "LoopConfig", "optimize"),
        "seqpo.training.optimizer": ("OptimizerConfig",),
        "seqpo.training.supervised": ("SupervisedConfig", "train_supervised"),
        "seqpo.training.world": ("World", "join_world"),
        "seqpo.types": ("Batch", "Episode", "Observation", "Policy", "Rewards", "Task", "Turn", "pack"),
    },
)
