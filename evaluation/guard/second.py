from first import Stranger
from pathlib import Path
def second_strangers(folder: Path, data: Path) -> list[Stranger]:
    return []
