"""What may go wrong from outside, and what ASVS 5.0 asks for: each with the tests that show it.

docs/security.md shows both tables: `python -m tests.security.table --write` writes them there.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the acceptance table: what goes wrong, what then happens, which tests show it."""

    number: int
    wrong: str
    then: str
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One requirement of ASVS 5.0, in our words: the tests that show it, or where it is met without one."""

    number: str
    wanted: str
    tests: tuple[str, ...] = ()
    note: str = ""


ROWS = (
    Row(
        28,
        "an operator resends or closes twice; two operators at once",
        "one act, the second is told that the state has changed (409); the audit shows both",
        (
            "engine/test_people.py::test_finalizing_twice_is_one_act_and_a_conflict",
            "hub/test_api_operations.py::test_two_operators_at_once_act_once",
            "hub/test_audited.py::test_every_act_leaves_a_row_done_or_refused_and_no_word_that_was_typed",
        ),
    ),
    Row(
        29,
        "JSON that is broken, in Latin-1, with a byte order mark, NaN, 1e999, NUL, a lone surrogate, a key twice, a "
        "depth of 100,000, 5,000 digits, an unknown field, a wrong type",
        "400 or 422 with a pointer, never 500, no value said back; the same on SQLite and PostgreSQL",
        (
            "hub/test_api_bad_input.py::test_a_submission_that_cannot_be_is_refused_where_it_is_wrong",
            "hub/test_api_bad_input.py::test_a_decision_is_read_as_strictly_as_a_submission",
            "hub/test_gate.py::test_what_is_not_strict_json_is_refused_with_its_place_and_without_its_values",
            "hub/test_gate.py::test_no_bytes_make_it_fail_in_another_way",
            "security/test_schemathesis.py::test_it_answers_anybody_as_its_description_says",
        ),
    ),
    Row(
        30,
        "an id of twenty digits, a bad id, `..%2f` in the path",
        "404 or 422, never 500",
        (
            "hub/test_api_bad_input.py::test_what_is_not_there_is_not_found",
            "hub/test_api_bad_input.py::test_a_search_that_cannot_be_names_its_parameter",
        ),
    ),
    Row(
        31,
        "a body of more than 2 MB, declared, in chunks, with a lying length, or compressed",
        "413, 413, 400, 415; the memory is bounded",
        (
            "hub/test_api_bad_input.py::test_a_message_of_another_size_or_type_is_refused",
            "hub/test_gate.py::test_a_body_is_taken_or_refused_by_what_it_declares_and_by_what_it_weighs",
            "hub/test_gate.py::test_a_lying_length_or_a_cut_line_is_the_caller_s_mistake",
            "hub/test_gate.py::test_an_endless_body_is_not_kept",
            "hub/test_connections.py::test_a_head_that_is_too_much_is_refused_before_it_is_read",
            "hub/test_connections.py::test_a_head_without_end_is_not_read_to_its_end",
            "hub/test_connections.py::test_whoever_takes_too_long_is_answered_and_left_while_others_are_served",
        ),
    ),
    Row(
        32,
        "a file that is a program, begins later, hides an archive or a script, is cut, empty, over 10 MB, of 60,000² "
        "pixels, or known to the virus scanner",
        "415, 422 or 413 with the reason, and nothing is kept; while the scanner is silent, 503 and nothing is kept",
        (
            "security/test_rows_uploads.py::test_a_file_that_is_not_what_it_says_is_refused_with_the_reason_and_not_kept",
            "security/test_rows_uploads.py::test_an_image_that_would_not_fit_in_memory_is_refused_by_its_header_alone",
            "security/test_rows_uploads.py::test_of_a_phone_s_photograph_the_images_alone_are_kept",
            "security/test_rows_uploads.py::test_a_file_that_the_scanner_knows_is_refused_and_a_clean_one_kept",
            "security/test_rows_uploads.py::test_while_the_scanner_is_down_no_file_is_taken_and_requests_without_files_are",
            "security/test_rows_uploads.py::test_whatever_is_not_a_clear_yes_keeps_nothing",
            "hub/test_files.py::test_of_a_bad_file_nothing_is_kept_and_the_reason_is_said",
            "hub/test_api_files.py::test_what_is_no_good_file_is_refused_and_not_kept",
        ),
    ),
    Row(
        33,
        "a file called `../../x`, with NUL, line ends, a thousand characters, marks that turn the writing",
        "kept under a digest; given back under a safe name (RFC 6266)",
        (
            "security/test_rows_uploads.py::test_a_file_s_name_is_never_a_path_nor_a_header",
            "hub/test_files.py::test_a_name_is_only_ever_shown_and_shows_nothing_dangerous",
            "hub/test_api_files.py::test_a_name_can_do_no_harm",
        ),
    ),
    Row(
        34,
        "XML from a caller with entities, a document type, a billion laughs, 3,000 levels, 11 MB of text, UTF-16, two "
        "million elements",
        "SOAP's own refusal (a fault that blames the client), or 413; no file read, nothing fetched, less than 100 MB",
        (
            "security/test_rows_doors.py::test_xml_that_attacks_the_hub_at_its_door_is_refused_and_reaches_nothing",
            "security/test_rows_doors.py::test_xml_is_read_for_nobody_who_has_not_proved_who_they_are",
            "connectors/test_xml.py::test_refuses",
            "connectors/test_xml.py::test_reads_no_file_of_ours",
            "connectors/test_xml.py::test_fetches_nothing_from_the_network",
            "connectors/test_xml.py::test_hostile_messages_take_little_memory",
        ),
    ),
    Row(
        35,
        "the same XML from a target",
        "a doubt, with what came as evidence; the same limits",
        ("security/test_rows_doors.py::test_the_same_xml_from_a_target_is_a_doubt_with_its_evidence",),
    ),
    Row(
        36,
        "a WSDL that imports over http, by `file://`, by an absolute path, through a redirect or a link",
        "refused when it is configured; nothing is fetched",
        (
            "connectors/test_soap.py::test_a_wsdl_that_needs_more_than_its_folder_is_refused_and_nothing_is_fetched",
            "connectors/test_soap.py::test_a_broken_wsdl_refuses_to_start",
            "connectors/test_soap.py::test_the_bytes_go_to_the_settings_url_and_never_to_the_wsdl_s_location",
            "drift/test_fetching.py::test_what_a_contract_names_is_fetched_from_its_own_host_alone",
        ),
    ),
    Row(
        37,
        "the URL of a target or a call-back: 127.1, 0x7f.1, one number, circled digits, IPv4 within IPv6, NAT64, "
        "`a@b`, a backslash; a name that leads elsewhere the second time",
        "refused; `allow` alone lets a name lead into this machine; one connects to the address that was looked at",
        (
            "security/test_rows_addresses.py::test_a_host_that_is_not_what_it_looks_like_does_not_load",
            "security/test_rows_addresses.py::test_a_mail_server_is_written_as_what_it_is_too",
            "security/test_rows_addresses.py::test_no_name_leads_back_into_this_machine_unless_allow_says_so",
            "security/test_rows_addresses.py::test_a_name_that_leads_elsewhere_the_second_time_is_not_followed_there",
            "security/test_rows_addresses.py::test_a_name_without_allow_that_comes_to_lead_into_this_machine_is_not_followed",
            "security/test_rows_addresses.py::test_no_redirect_no_proxy_and_no_other_host_is_gone_to",
            "connectors/test_http.py::test_an_address_outside_of_the_allowed_networks_does_not_load",
            "drift/test_fetching.py::test_every_connection_goes_to_the_address_that_was_looked_at_first",
        ),
    ),
    Row(
        38,
        "no key, a bad, revoked or expired one; the right key of another house, or of other kinds",
        "401, 401, 401, 401; 404; 403: compared in constant time, and told in the audit",
        (
            "hub/test_api_bad_input.py::test_nobody_gets_in_without_a_key",
            "hub/test_api_bad_input.py::test_a_revoked_and_an_expired_key_open_nothing",
            "hub/test_api_bad_input.py::test_another_house_does_not_learn_that_a_request_exists",
            "hub/test_api_bad_input.py::test_a_key_kept_to_other_kinds_or_sites_is_forbidden",
            "hub/test_access.py::test_every_wrong_key_gets_the_same_answer",
            "hub/test_audited.py::test_who_shows_no_key_is_refused_in_two_rows_however_often",
            "security/test_matrix.py::test_each_caller_may_do_what_the_table_says",
            "security/test_matrix.py::test_nobody_is_shown_a_request_that_is_not_for_them",
        ),
    ),
    Row(
        39,
        "an agent's sign-in: state or nonce missing or used, algorithm none or another, an expired token, another "
        "issuer; another organisation's dossier by its id",
        "refused, and told in the log; the dossier is not there (404)",
        (
            "console/test_identity_lies.py::test_a_provider_that_lies_lets_nobody_in",
            "console/test_identity_lies.py::test_what_comes_back_must_answer_what_was_asked",
            "console/test_identity_lies.py::test_an_answer_serves_once_even_to_who_kept_its_cookie",
            "console/test_objects.py::test_what_is_anothers_is_not_there_under_any_route",
        ),
    ),
    Row(
        40,
        "a target's call: a bad signature, ten minutes old, its id again, another body",
        "401, 401, a 2xx without effect, 401",
        (
            "security/test_rows_doors.py::test_a_forged_or_old_call_is_not_believed_and_a_repeated_one_changes_nothing",
            "connectors/test_regie_boutique.py::test_only_what_the_shop_signed_nudges",
            "scenarios/test_payment.py::test_a_doubled_notification_settles_once",
            "scenarios/test_payment.py::test_a_call_that_lies_settles_nothing",
            "hub/test_client.py::test_what_the_hub_did_not_write_or_wrote_long_ago_is_forged",
        ),
    ),
    Row(
        41,
        "a person with a number, an account and a password goes through every way to fail, with DEBUG on",
        "in no log, error, metric or broker message",
        (
            "security/test_rows_leaks.py::test_nothing_of_a_person_leaks_whatever_fails",
            "hub/test_logs.py::test_a_canary_goes_through_everything_and_is_in_no_line",
            "faults/test_broker.py::test_no_hint_says_anything_about_anybody",
            "connectors/test_soap.py::test_no_message_reaches_a_log",
            "security/test_settings_shown.py::test_no_secret_is_ever_shown",
        ),
    ),
    Row(
        42,
        "what is sealed is moved to another row or column, or altered; an old key; no key",
        "it does not open; it is readable; the start is refused",
        (
            "hub/test_vault.py::test_a_value_moved_to_another_request_does_not_open",
            "hub/test_vault.py::test_a_value_moved_to_another_column_does_not_open",
            "hub/test_vault.py::test_a_value_that_was_altered_does_not_open",
            "hub/test_vault.py::test_an_old_key_still_opens_and_the_new_one_wraps",
            "engine/test_sealing.py::test_a_value_swapped_between_two_requests_is_refused_and_waits_for_a_person",
            "engine/test_sealing.py::test_a_request_whose_key_is_gone_waits_for_a_person_and_holds_nobody_up",
            "engine/test_sealing.py::test_a_hub_without_the_key_of_its_ledger_does_not_start",
            "engine/test_sealing.py::test_an_old_key_is_read_while_a_new_one_wraps",
        ),
    ),
    Row(
        43,
        "the key-encryption key is replaced while traffic flows, and whoever replaces it is killed half-way",
        "everything stays readable, and the rotation goes on where it was",
        (
            "engine/test_sealing.py::test_keys_turn_while_requests_come_in",
            "engine/test_sealing.py::test_a_rotation_killed_half_way_goes_on_where_it_was",
            "engine/test_sealing.py::test_a_key_is_let_go_only_once_nothing_is_under_it",
            "hub/test_vault.py::test_a_key_that_another_process_began_to_use_is_read_when_it_is_met",
        ),
    ),
    Row(
        44,
        "a row of the audit is edited, deleted, or its tail is cut",
        "found, and the first bad number is named; the tail, by the anchor",
        (
            "hub/test_audit.py::test_an_edited_row_is_named",
            "hub/test_audit.py::test_a_deleted_row_is_named",
            "hub/test_audit.py::test_a_cut_tail_shows_at_the_head",
            "hub/test_audit.py::test_a_ledger_put_back_to_an_earlier_copy_is_only_seen_with_an_anchor",
        ),
    ),
    Row(
        45,
        "a request's time is over; somebody asks to be erased, or what is held of them",
        "contents, files and key go, counts and chain stay; refused while something is uncertain; an export is whole",
        (
            "privacy/test_canary.py::test_a_person_is_found_by_the_export_before_and_by_nothing_after",
            "privacy/test_canary.py::test_what_is_sealed_goes_with_its_key",
            "privacy/test_canary.py::test_erasure_is_refused_while_something_is_open_unless_forced",
            "privacy/test_canary.py::test_what_is_due_goes_by_itself_and_nothing_else",
            "privacy/test_verbs.py::test_a_person_is_handed_what_is_held_and_then_erased",
        ),
    ),
)
"""Rows 28 to 45; those before and after are in tests/faults/test_rows.py."""
