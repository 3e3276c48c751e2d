"""Write the documents anew: `python -m contracts`."""

from contracts.documents import DIRECTORY, render


def main() -> None:
    """Write every document that is not what the code says, and remove schemas of what is no more."""
    documents = render()
    for path in set(DIRECTORY.glob("schemas/*")) - set(documents):
        path.unlink()
    for path, text in documents.items():
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            print(f"Written: {path.relative_to(DIRECTORY.parent)}")


if __name__ == "__main__":
    main()
