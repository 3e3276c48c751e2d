"""Generate the documents: `python -m contracts`."""

from contracts.documents import DIRECTORY, ROOT, render, write_catalogue


def main() -> None:
    """Write every document that differs from the code, and delete schemas of messages that no longer exist."""
    write_catalogue()
    documents = render()
    for path in set(DIRECTORY.glob("schemas/*")) - set(documents):
        path.unlink()
    for path, text in documents.items():
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            print(f"Written: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
