"""Completion scripts for shells, made from the parser itself."""

from __future__ import annotations

import argparse

from model_store.arguments import build_parser

_BASH = """\
# source <(python -m model_store completion bash); completes `model_store`, made by:
#   alias model_store='python -m model_store'
_model_store() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" command="" each
    for each in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "$each" in {alternatives}) command="$each"; break;; esac
    done
    case "$command" in
{cases}
        *) COMPREPLY=($(compgen -W "{commands} {options}" -- "$word"));;
    esac
}}
complete -o default -F _model_store model_store
"""
_ZSH_HEAD = "autoload -U +X bashcompinit && bashcompinit\n"


def script(shell: str) -> str:
    """Return the completion script for bash, zsh or fish."""
    commands = _commands()
    if shell == "fish":
        return _fish(commands)
    cases = "\n".join(
        f'        {name}) COMPREPLY=($(compgen -W "{" ".join(_words(parser))}" -- "$word"));;'
        for name, parser in commands.items()
    )
    text = _BASH.format(
        alternatives="|".join(commands),
        cases=cases,
        commands=" ".join(commands),
        options=" ".join(_words(build_parser())),
    )
    return (_ZSH_HEAD if shell == "zsh" else "") + text


def _fish(commands: dict[str, argparse.ArgumentParser]) -> str:
    lines = []
    for name, parser in commands.items():
        summary = (parser.description or "").replace("'", r"\'")
        lines.append(
            f"complete -c model_store -n __fish_use_subcommand -f -a {name} -d '{summary}'"
        )
        lines += [
            f"complete -c model_store -n '__fish_seen_subcommand_from {name}' -l {word[2:]}"
            for word in _words(parser)
            if word.startswith("--")
        ]
    return "\n".join(lines) + "\n"


def _commands() -> dict[str, argparse.ArgumentParser]:
    parser = build_parser()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    raise AssertionError


def _words(parser: argparse.ArgumentParser) -> list[str]:
    words = []
    for action in parser._actions:
        words += [option for option in action.option_strings if option.startswith("--")]
        if not isinstance(action, argparse._SubParsersAction) and action.choices:
            words += list(action.choices)
    return words
