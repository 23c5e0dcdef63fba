"""A recipe's way from fp32 to an archive, kept by `step_cache`."""

import json

from export_tools.draft import Draft
from export_tools.fp32 import Say
from export_tools.pack.draft import images_for, pack_draft
from export_tools.pack.pack import Packed
from export_tools.recipe import PackPart
from export_tools.step_cache import Files, StepCache
from service.engine.manifest import MODEL_FILE, PACKED_FILE, CompressionStep

_STEP = "step.json"


def run_pack(part: PackPart, parent: Draft, cache: StepCache, say: Say) -> Packed:
    """Make or find the archive of a recipe's `[pack]`.

    Raises:
        ExportError: the parent cannot be packed.
    """

    def make() -> Files:
        images = images_for(parent, part.images, part.dreams, part.seed)
        made = pack_draft(parent, part.plan(), images, say)
        step = made.step.model_dump_json().encode()
        return {PACKED_FILE: made.archive, MODEL_FILE: made.graph, _STEP: step}

    depends = [parent.manifest.files[MODEL_FILE].sha256, part.model_dump(mode="json")]
    say("pack")
    files, found = cache.files("pack", depends, make)
    say(f"pack: {'found finished' if found else 'done'}")
    step = CompressionStep.model_validate(json.loads(files[_STEP]))
    return Packed(files[PACKED_FILE], files[MODEL_FILE], step)
