"""Documents that nothing executes go stale; these are executed here."""
import functools
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import house

# The path of a publish and of a delivery must be told with at least this many real places.
PLACES_AT_LEAST = 20


@functools.lru_cache(None)
def words_of_the_code():
    words = set()
    for path in house.files():
        if path.endswith((".h", ".cc", ".proto", ".cmake", ".py", ".sh")):
            words.update(re.findall(r"[A-Za-z_]\w*", house.text(path)))
    return words


def told(document):
    """What a document names in backticks outside of code blocks."""
    body = re.sub(r"^( {4}|```).*?$", "", re.sub(r"```.*?```", "", house.text(document), flags=re.S), flags=re.M)
    return re.findall(r"`([^`\n]+)`", body)


def is_path(name):
    return re.fullmatch(r"\.?[\w.-]+(/[\w.*-]+)+/?|[\w-]+\.(h|cc|md|proto|cmake|py|sh|txt)", name)


def is_symbol(name):
    return re.fullmatch(r"(?:[A-Za-z_]\w*(?:::|\.|->))*(?:[A-Z][a-z0-9]+[A-Za-z0-9]*|k[A-Z]\w+|[a-z]+_[a-z_]+)(?:\(\))?", name)


def exists(path):
    path = path.rstrip("/")
    if path.startswith(("build/", "run/")):
        return True
    if "*" in path:
        pattern = re.escape(path).replace(r"\*", "[^/]*")
        return any(re.fullmatch(pattern + "(/.*)?", f) for f in house.files())
    return any(f == path or f.startswith(path + "/") for f in house.files())


class Documents(unittest.TestCase):
    def test_the_architecture_page_names_files_and_symbols_that_exist(self):
        page = "docs/architecture.md"
        self.assertTrue(page in house.files(), f"{page} is missing")
        self.assertLess(house.text(page).count("\n"), 300)
        names = told(page)
        paths = [n for n in names if is_path(n)]
        symbols = [n for n in names if not is_path(n) and is_symbol(n)]
        wrong = [f"no file {n}" for n in paths if not exists(n)]
        for name in symbols:
            for part in re.findall(r"\w+", name):
                if part not in words_of_the_code():
                    wrong.append(f"no symbol {name}")
                    break
        self.assertEqual(wrong, [])
        self.assertGreaterEqual(len(set(paths)), PLACES_AT_LEAST, "too few files named to be a path through the house")
        self.assertGreaterEqual(len(set(symbols)), PLACES_AT_LEAST, "too few symbols named")

    def test_the_other_documents_name_files_that_exist(self):
        wrong = [f"{page}: no file {name}" for page in house.files() if page.endswith(".md") for name in told(page)
                 if re.match(r"(base|proto|raft|storage|server|client|tests|bench|deploy|docs|cmake|dev\.d)/", name)
                 and is_path(name) and not exists(name)]
        self.assertEqual(wrong, [])

    def test_links_between_documents_lead_somewhere(self):
        wrong = []
        for page in house.files():
            if page.endswith(".md"):
                for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", house.text(page)):
                    if not os.path.exists(os.path.join(house.ROOT, os.path.dirname(page), target)):
                        wrong.append(f"{page}: {target}")
        self.assertEqual(wrong, [])

    def test_every_decision_has_its_four_sections_on_one_page(self):
        decisions = [f for f in house.files() if f.startswith("docs/decisions/") and f.endswith(".md")]
        self.assertGreater(len(decisions), 5)
        wrong, numbers = [], []
        for path in decisions:
            name = re.fullmatch(r"docs/decisions/(\d{4})-[a-z0-9]+(-[a-z0-9]+)+\.md", path)
            if not name:
                wrong.append(f"{path}: call it NNNN-verb-noun.md")
                continue
            numbers.append(name.group(1))
            sections = re.findall(r"^## (.*)$", house.text(path), re.M)
            if sections != ["Context", "Decision", "Alternatives", "Consequences"]:
                wrong.append(f"{path}: sections {sections}")
            if house.text(path).count("\n") > 70:
                wrong.append(f"{path}: longer than a page")
        self.assertEqual(wrong, [])
        self.assertEqual(len(numbers), len(set(numbers)), "a number is used twice")

    def test_every_library_has_a_decision(self):
        decided = "\n".join(house.text(f) for f in house.files() if f.startswith("docs/decisions/"))
        packages = [line.split()[1] for line in house.text("dev.d/packages").splitlines() if line.startswith("build ")]
        wrong = [p for p in packages if p.startswith("lib") and f"`{p}`" not in decided]
        self.assertEqual(wrong, [])

    def test_the_readme_begins_with_the_two_commands(self):
        commands = re.findall(r"^    (\S.*)$", house.text("README.md"), re.M)
        self.assertEqual([c.split("#")[0].strip() for c in commands[:2]], ["./dev up", "./dev test"])

    def test_the_glossary_is_in_order(self):
        terms = re.findall(r"^\*\*(.+?)\*\*", house.text("docs/glossary.md"), re.M)
        self.assertGreater(len(terms), 20)
        self.assertEqual(terms, sorted(terms, key=str.lower))


if __name__ == "__main__":
    unittest.main()
