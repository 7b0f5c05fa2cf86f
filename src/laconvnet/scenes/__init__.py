"""The embedded world: 3-D scenes, their pictures, and sentences about them, with exact boxes, masks and answers."""

from typing import Final

from laconvnet.scenes.expressions import KINDS, refer
from laconvnet.scenes.grammar import words
from laconvnet.scenes.programs import Program, answer, count_hops, execute, parse_program
from laconvnet.scenes.questions import FAMILIES, ask
from laconvnet.scenes.renderer import Rendering, picture_size, render
from laconvnet.scenes.scene import Scene, SceneObject
from laconvnet.scenes.sentence import NoSentenceError, Sentence, answers
from laconvnet.scenes.source import SceneSample, SceneSource
from laconvnet.scenes.world import WORLDS, World

VERSION: Final = 2
"""Changes whenever the same numbers may give another scene, sentence or picture."""

__all__ = [
    "FAMILIES",
    "KINDS",
    "VERSION",
    "WORLDS",
    "NoSentenceError",
    "Program",
    "Rendering",
    "Scene",
    "SceneObject",
    "SceneSample",
    "SceneSource",
    "Sentence",
    "World",
    "answer",
    "answers",
    "ask",
    "count_hops",
    "execute",
    "parse_program",
    "picture_size",
    "refer",
    "render",
    "words",
]
