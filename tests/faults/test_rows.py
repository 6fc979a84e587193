"""The acceptance table of what may go wrong: each of its rows has a test, and that test is there."""

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
HERE = "faults"

ROWS = {
    "1: the API dies before or after its commit, and the front end repeats itself": (
        "faults/test_kill_matrix.py::test_a_front_end_that_repeats_itself_after_the_door_died_has_one_request",
    ),
    "2: the link to the database is cut during COMMIT": (
        "faults/test_database.py::test_a_commit_that_is_cut_is_no_acceptance_and_its_repetition_makes_one_request",
    ),
    "3: the database is down, or its disk full": (
        "faults/test_database.py::test_a_database_that_is_down_accepts_nothing_and_is_found_again",
        "faults/test_database.py::test_a_database_whose_disk_is_full_accepts_nothing_and_goes_on_with_room",
        "faults/test_disk.py::test_a_full_disk_accepts_nothing_and_takes_up_again_by_itself",
        "faults/test_disk.py::test_what_a_target_said_while_the_disk_was_full_is_written_down_once_there_is_room",
    ),
    "4: forty parallel posts with one key": (
        "faults/test_database.py::test_forty_posts_at_two_doors_under_one_key_make_one_request",
        "hub/test_api_requests.py::test_forty_posts_at_once_under_one_key_make_one_request",
        "hub/test_api_requests.py::test_forty_posts_at_once_under_one_key_and_two_bodies_make_one_request",
        "hub/test_api_requests.py::test_a_submission_needs_a_key",
    ),
    "5: the same key from another client": (
        "hub/test_api_requests.py::test_the_key_of_one_front_end_says_nothing_to_another",
    ),
    "6: whoever sends or asks dies at each point": (
        "faults/test_kill_matrix.py::test_whoever_sends_may_die_at_any_point",
        "faults/test_kill_matrix.py::test_whoever_asks_may_die_at_any_point",
    ),
    "7: a process is killed, or asked to end and then killed (pool children there are none)": (
        "faults/test_processes.py::test_what_is_under_way_ends_before_a_process_that_is_asked_to_end",
        "faults/test_processes.py::test_a_process_killed_while_it_was_ending_leaves_nothing_lost_or_doubled",
        "engine/test_kill.py::test_every_accepted_request_ends_and_none_is_doubled",
    ),
    "8: the broker is dead or purged, hints are lost or multiplied": (
        "faults/test_broker.py::test_hints_alone_wake_a_worker",
        "faults/test_broker.py::test_deliveries_go_on_while_the_broker_is_dead_and_after",
        "faults/test_broker.py::test_hints_that_are_purged_are_not_missed",
        "faults/test_broker.py::test_a_hint_repeated_ten_times_sends_nothing_twice",
        "faults/test_broker.py::test_hints_of_what_does_not_exist_do_nothing",
        "faults/test_broker.py::test_no_hint_says_anything_about_anybody",
    ),
    "9: the broker is black-holed during a publish": (
        "faults/test_broker.py::test_a_black_hole_before_the_broker_delays_no_acceptance",
    ),
    "10: the link is reset during a long call": (
        "faults/test_broker.py::test_a_link_reset_during_a_call_sends_nothing_twice",
    ),
    "11: PostgreSQL is killed while four workers send": (
        "faults/test_database.py::test_a_database_killed_while_four_workers_send_forgets_nothing_it_acknowledged",
    ),
    "12: a worker is frozen past its lease": (
        "faults/test_frozen.py::test_nobody_takes_over_from_a_frozen_sender_that_still_holds_its_lock",
        "faults/test_frozen.py::test_a_frozen_sender_that_lost_its_lock_sends_nothing_when_it_wakes",
    ),
    "13: clocks are wrong, or set": (
        "faults/test_clocks.py::test_a_worker_an_hour_ahead_and_one_an_hour_behind_share_the_databases_time",
        "faults/test_clocks.py::test_a_databases_clock_set_back_loses_nothing_and_lets_nobody_in_too_early",
        "faults/test_clocks.py::test_a_machine_whose_clock_is_an_hour_wrong_delivers_all_the_same",
    ),
    "14: the target fails after it took the message": (
        "faults/test_targets.py::test_whatever_happens_before_or_after_a_message_was_taken_it_is_there_once",
        "engine/test_deliveries.py::test_what_was_taken_without_a_word_is_not_taken_twice",
    ),
    "15: the target fails before it took the message": (
        "faults/test_targets.py::test_whatever_happens_before_or_after_a_message_was_taken_it_is_there_once",
        "engine/test_deliveries.py::test_what_was_lost_is_sent_again_and_taken_once",
        "engine/test_deliveries.py::test_absent_is_asked_twice_before_it_is_sent_again",
    ),
    "16: the target shows late what it took": (
        "faults/test_targets.py::test_a_target_that_shows_late_what_it_took_is_not_sent_it_again",
        "connectors/test_logitud.py::test_a_request_shows_only_after_the_registry_s_lag",
    ),
    "17: a refusal after an unknown attempt": (
        "faults/test_targets.py::test_a_refusal_after_a_lost_answer_is_believed_only_if_nothing_can_have_been_taken",
        "hub/test_judgement.py::test_a_refusal_after_an_uncertain_attempt_proves_nothing",
    ),
    "18: our key is known already": (
        "connectors/test_exam.py::test_it_passes_the_exam",
        "connectors/test_rest.py::test_a_repeated_key_is_accepted_under_its_first_reference",
        "connectors/test_logitud.py::test_a_reference_already_known_with_the_same_content_is_accepted",
    ),
    "19: our key is found with another content": (
        "faults/test_targets.py::test_what_is_found_with_another_content_goes_to_a_person_and_is_not_sent_again",
        "connectors/test_rest.py::test_a_key_found_with_another_content_is_for_a_person",
    ),
    "20: refused connections, names, certificates": (
        "faults/test_targets.py::test_an_expired_certificate_is_waited_for_and_nothing_was_sent",
        "deployment/test_alerts.py::test_each_story_ends_with_the_alerts_it_should",
        "engine/test_deliveries.py::test_a_target_that_is_not_there_is_waited_for",
        "engine/test_limits.py::test_the_breaker_opens_after_enough_failures_and_one_delivery_tries_it_again",
        "connectors/test_http.py::test_a_closed_port_is_transient",
        "connectors/test_http.py::test_a_host_without_an_address_is_transient",
        "connectors/test_http.py::test_a_certificate_nobody_vouches_for_is_transient",
    ),
    "21: Retry-After, whatever it says": (
        "connectors/test_http.py::test_a_retry_after_is_read_as_seconds_or_as_a_date",
        "connectors/test_http.py::test_a_retry_after_that_makes_no_sense_is_ignored",
        "hub/test_policy.py::test_retry_after_is_honoured_up_to_a_day_and_never_shortens_the_wait",
        "hub/test_judgement.py::test_a_target_may_not_put_a_question_off_for_more_than_a_day",
        "engine/test_deliveries.py::test_what_was_surely_not_taken_is_sent_again_by_itself",
    ),
    "22: half an hour of outage with two thousand pending": (
        "faults/test_targets.py::test_a_long_outage_ends_without_a_rush",
    ),
    "23: redirects": (
        "faults/test_targets.py::test_whatever_happens_before_or_after_a_message_was_taken_it_is_there_once",
        "connectors/test_http.py::test_a_redirect_is_never_followed",
    ),
    "24: a dripping or endless answer": (
        "faults/test_targets.py::test_an_endless_answer_takes_no_memory",
        "faults/test_targets.py::test_whatever_happens_before_or_after_a_message_was_taken_it_is_there_once",
        "connectors/test_http.py::test_once_bytes_may_have_left_every_failure_is_uncertain",
    ),
    "25: a closed or paused target": (
        "engine/test_limits.py::test_a_closed_target_is_left_alone",
        "hub/test_judgement.py::test_what_waits_for_a_target_to_open_does_not_come_all_at_once",
        "engine/test_limits.py::test_a_paused_target_is_left_alone_until_it_is_resumed",
        "hub/test_api_operations.py::test_a_paused_target_is_sent_nothing_until_it_is_resumed",
    ),
    "26: a payload that kills its process": (
        "faults/test_processes.py::test_a_payload_that_kills_its_process_is_left_to_a_person_and_takes_no_other_along",
        "engine/test_regressions.py::test_a_payload_that_kills_its_process_takes_no_other_to_the_grave",
    ),
    "27: a mapping that writes what the contract does not allow": (
        "engine/test_deliveries.py::test_a_mapping_that_fails_sends_nothing",
        "engine/test_people.py::test_a_refusal_is_corrected_and_retried",
        "connectors/test_soap.py::test_a_message_that_breaks_the_contract_is_not_sent",
        "connectors/test_logitud.py::test_what_the_contract_does_not_allow_never_leaves",
    ),
    "46: upgrades, and upgrades taken back": (
        "faults/test_upgrade.py::test_an_upgrade_loses_nothing_of_what_is_under_way",
        "faults/test_upgrade.py::test_an_upgrade_taken_back_loses_nothing_of_what_is_under_way",
        "faults/test_upgrade.py::test_a_state_this_hub_does_not_know_stops_its_start",
        "faults/test_upgrade.py::test_tables_older_than_the_hub_stop_its_start_and_name_the_remedy",
    ),
    "47: the embedded engine dies, two processes share a file, the power is cut": (
        "faults/test_processes.py::test_an_engine_that_dies_is_started_again",
        "faults/test_processes.py::test_two_processes_on_one_file_claim_nothing_twice",
        "hub/test_cli.py::test_a_hub_whose_engine_cannot_be_kept_running_ends_with_1",
        "hub/test_database.py::test_every_connection_is_durable",
        "engine/test_kill.py::test_every_accepted_request_ends_and_none_is_doubled",
    ),
}
"""Rows 1 to 27, 46 and 47: what goes wrong → the tests that show what then happens."""


@cache
def written_in(file):
    """List the tests of a file, with what each says it is for."""
    tree = ast.parse((TESTS / file).read_text("utf-8"))
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {node.name: ast.get_docstring(node) or "" for node in functions if node.name.startswith("test_")}


def test_no_row_is_missing():
    assert [int(row.partition(":")[0]) for row in ROWS] == [*range(1, 28), 46, 47]


@pytest.mark.parametrize("row", ROWS)
def test_each_row_has_its_tests(row):
    for named in ROWS[row]:
        file, _, name = named.partition("::")
        assert name in written_in(file), f"{named} is not there"


def test_each_test_here_that_names_a_row_is_listed_under_it():
    listed = {named for tests in ROWS.values() for named in tests}
    files = (f"{HERE}/{file.name}" for file in (TESTS / HERE).glob("test_*.py"))
    telling = {
        f"{file}::{name}" for file in files for name, said in written_in(file).items() if said.startswith("Row ")
    }
    assert telling - listed == set()
