"""ASVS 5.0, level 2: what of it applies to this hub, and the tests that show it; docs/security.md has it as a table."""

from tests.security.rows import Item

ITEMS = (
    Item(
        "1.2.1",
        "what is written into HTML, XML or headers cannot change their structure",
        (
            "console/test_journal.py::test_what_somebody_put_in_a_row_is_shown_as_text",
            "hub/test_files.py::test_a_download_header_is_one_ascii_line_that_keeps_the_name",
        ),
    ),
    Item(
        "1.2.5",
        "nothing that came in is part of a command of the operating system",
        note="the hub starts none with it; ruff's S602–S607 stand over its code",
    ),
    Item(
        "1.3.6",
        "no request decides where the hub connects to",
        (
            "security/test_rows_addresses.py::test_a_host_that_is_not_what_it_looks_like_does_not_load",
            "security/test_rows_addresses.py::test_a_name_that_leads_elsewhere_the_second_time_is_not_followed_there",
            "connectors/test_http.py::test_a_call_never_leaves_for_another_host",
        ),
    ),
    Item(
        "1.3.11",
        "no field of a request becomes a line of a letter's head or of SMTP",
        (
            "connectors/test_courriel.py::test_no_words_of_anybody_ever_make_a_header",
            "connectors/test_courriel.py::test_a_line_of_one_dot_does_not_end_the_message",
            "connectors/test_courriel.py::test_a_file_name_is_never_a_path_nor_a_header",
        ),
    ),
    Item(
        "1.5.1",
        "XML readers resolve nothing",
        (
            "connectors/test_xml.py::test_refuses",
            "security/test_rows_doors.py::test_xml_that_attacks_the_hub_at_its_door_is_refused_and_reaches_nothing",
            "security/test_rows_doors.py::test_the_same_xml_from_a_target_is_a_doubt_with_its_evidence",
        ),
    ),
    Item(
        "1.5.2",
        "only plain values are made of what comes in",
        ("hub/test_gate.py::test_what_is_not_strict_json_is_refused_with_its_place_and_without_its_values",),
    ),
    Item(
        "2.2.1",
        "every input is held to a schema, at the door of the service",
        (
            "hub/test_api_bad_input.py::test_a_submission_that_cannot_be_is_refused_where_it_is_wrong",
            "security/test_schemathesis.py::test_it_answers_anybody_as_its_description_says",
        ),
    ),
    Item(
        "2.3.1",
        "a request goes through its route's steps in their order",
        ("engine/test_people.py::test_a_person_accepts_and_the_route_goes_on",),
    ),
    Item(
        "2.3.3",
        "an act is done whole or not at all",
        (
            "faults/test_database.py::test_a_commit_that_is_cut_is_no_acceptance_and_its_repetition_makes_one_request",
            "hub/test_audited.py::test_an_act_whose_row_cannot_be_written_is_not_done",
        ),
    ),
    Item(
        "2.3.4",
        "two who act at once do not both succeed",
        (
            "hub/test_api_operations.py::test_two_operators_at_once_act_once",
            "scenarios/test_forum.py::test_the_last_stand_is_for_one_association",
        ),
    ),
    Item(
        "2.4.1",
        "excessive calls are held back",
        ("hub/test_rates.py::test_a_burst_is_let_through_and_then_the_steady_rate",),
    ),
    Item(
        "3.2.1",
        "a browser cannot take a file or an answer for a page",
        (
            "security/test_rows_uploads.py::test_a_file_s_name_is_never_a_path_nor_a_header",
            "hub/test_api_files.py::test_a_name_can_do_no_harm",
        ),
    ),
    Item(
        "3.4.3–3.4.6",
        "pages come with a policy for content, no guessed types, no referrer, no frames",
        ("console/test_entrance.py::test_every_page_forbids_what_is_not_of_the_console",),
    ),
    Item(
        "3.5.1",
        "no other site can have a browser do something here",
        ("console/test_entrance.py::test_a_form_that_no_page_of_ours_sent_changes_nothing",),
    ),
    Item(
        "3.7.2",
        "nobody is led to another site",
        ("console/test_entrance.py::test_one_is_never_led_to_another_site",),
    ),
    Item(
        "4.2.1",
        "a message ends where its length says, and nowhere else",
        ("hub/test_gate.py::test_a_lying_length_or_a_cut_line_is_the_caller_s_mistake",),
    ),
    Item("5.1.1", "which files are taken, and what happens to bad ones, is written down", note="[Files](#files)"),
    Item(
        "5.2.1",
        "files are of a size that can be handled",
        (
            "hub/test_files.py::test_a_file_of_exactly_ten_megabytes_is_kept",
            "hub/test_files.py::test_an_endless_upload_is_cut_at_the_limit",
        ),
    ),
    Item(
        "5.2.2",
        "a file is what its name says",
        (
            "security/test_rows_uploads.py::test_a_file_that_is_not_what_it_says_is_refused_with_the_reason_and_not_kept",
        ),
    ),
    Item(
        "5.2.3, 5.2.6",
        "nothing is unpacked; an image is judged by its header",
        ("security/test_rows_uploads.py::test_an_image_that_would_not_fit_in_memory_is_refused_by_its_header_alone",),
    ),
    Item(
        "5.3.2",
        "no name of a caller's is part of a path",
        ("security/test_rows_uploads.py::test_a_file_s_name_is_never_a_path_nor_a_header",),
    ),
    Item(
        "5.4.1, 5.4.2",
        "names given back are safe (RFC 6266)",
        ("hub/test_files.py::test_a_download_header_is_one_ascii_line_that_keeps_the_name",),
    ),
    Item(
        "5.4.3",
        "files are scanned for viruses",
        (
            "security/test_rows_uploads.py::test_a_file_that_the_scanner_knows_is_refused_and_a_clean_one_kept",
            "security/test_rows_uploads.py::test_whatever_is_not_a_clear_yes_keeps_nothing",
        ),
        "where the setting `scanner` names a ClamAV",
    ),
    Item(
        "6.3.1",
        "passwords cannot be tried out",
        ("console/test_entrance.py::test_after_wrong_passwords_the_right_one_does_not_help",),
    ),
    Item(
        "6.3.2",
        "a second factor",
        ("console/test_identity.py::test_who_gave_a_password_alone_is_asked_for_more",),
        "by the identity provider; a local account has a password alone",
    ),
    Item(
        "7.2.3, 7.4.1",
        "a stay is a random token that ends when one leaves",
        (
            "console/test_entrance.py::test_what_the_ledger_keeps_of_a_stay_lets_nobody_in",
            "console/test_entrance.py::test_whoever_leaves_is_out_at_once",
        ),
    ),
    Item(
        "7.3.1",
        "a stay ends when nobody is there",
        ("console/test_entrance.py::test_a_stay_ends_when_nobody_shows_a_sign_of_life",),
    ),
    Item(
        "7.4.3",
        "a new password ends every stay",
        ("console/test_entrance.py::test_a_new_password_ends_every_stay_and_a_wrong_one_changes_nothing",),
    ),
    Item(
        "8.2.1",
        "each may do what their role says and nothing else",
        (
            "security/test_matrix.py::test_every_route_has_its_line",
            "security/test_matrix.py::test_each_caller_may_do_what_the_table_says",
            "console/test_objects.py::test_who_lacks_a_right_is_told_which_by_every_route_that_takes_it",
        ),
    ),
    Item(
        "8.2.2, 8.4.1",
        "what is another's is not there",
        (
            "security/test_matrix.py::test_nobody_is_shown_a_request_that_is_not_for_them",
            "console/test_objects.py::test_what_is_anothers_is_not_there_under_any_route",
            "console/test_objects.py::test_what_is_anothers_is_not_there_in_any_list",
        ),
    ),
    Item(
        "9.1.1–9.1.3",
        "a token is proved by a configured key and a listed algorithm before it is read",
        (
            "hub/test_tokens.py::test_every_wrong_token_gets_the_same_answer",
            "hub/test_tokens.py::test_no_token_chooses_how_it_is_proved",
            "hub/test_tokens.py::test_no_setting_lets_a_shared_secret_in",
        ),
    ),
    Item(
        "9.2.1–9.2.3",
        "it is of this moment, of the right sort and for this hub",
        ("hub/test_tokens.py::test_every_wrong_token_gets_the_same_answer",),
    ),
    Item(
        "10.1.2, 10.5.1",
        "an answer of the provider is for the browser and the moment that asked",
        (
            "console/test_identity_lies.py::test_what_comes_back_must_answer_what_was_asked",
            "console/test_identity_lies.py::test_an_answer_that_another_browser_asked_for_is_not_taken",
            "console/test_identity_lies.py::test_an_answer_serves_once_even_to_who_kept_its_cookie",
        ),
    ),
    Item(
        "10.5.2–10.5.4",
        "the provider is the one that is configured, and people are its issuer and subject",
        (
            "console/test_identity_lies.py::test_a_provider_that_lies_lets_nobody_in",
            "console/test_identity_lies.py::test_a_document_must_be_the_providers_own",
        ),
    ),
    Item(
        "11.3.2, 11.3.3",
        "AES-256-GCM, each value bound to its place",
        (
            "hub/test_vault.py::test_a_value_that_was_altered_does_not_open",
            "hub/test_vault.py::test_a_value_moved_to_another_column_does_not_open",
            "hub/test_vault.py::test_the_same_text_is_never_sealed_alike",
        ),
    ),
    Item(
        "11.5.1",
        "keys and tokens are random, of 256 bits",
        ("hub/test_access.py::test_a_key_is_256_random_bits_and_only_its_hmac_is_kept",),
    ),
    Item(
        "12.3.2, 12.3.4",
        "certificates of targets are always verified, by the authority that is named",
        (
            "connectors/test_http.py::test_a_certificate_nobody_vouches_for_is_transient",
            "connectors/test_http.py::test_the_targets_own_authority_is_trusted_when_named",
            "faults/test_targets.py::test_an_expired_certificate_is_waited_for_and_nothing_was_sent",
        ),
    ),
    Item(
        "13.1.1",
        "everything that the hub connects to is written down",
        ("security/test_inventory.py::test_every_flow_of_an_installation_is_in_it",),
        "`hub security inventory`",
    ),
    Item(
        "13.2.4, 13.2.5",
        "the hub connects to what its settings name",
        (
            "connectors/test_http.py::test_a_call_never_leaves_for_another_host",
            "security/test_rows_addresses.py::test_no_redirect_no_proxy_and_no_other_host_is_gone_to",
            "drift/test_fetching.py::test_what_a_contract_names_is_fetched_from_its_own_host_alone",
        ),
    ),
    Item(
        "13.3.1",
        "secrets come from files or the environment, are in no code, and are never shown",
        (
            "security/test_settings_shown.py::test_no_secret_is_ever_shown",
            "connectors/test_http.py::test_settings_that_do_not_load_show_no_secret",
            "supply/test_units.py::test_no_secret_stands_in_a_unit",
        ),
    ),
    Item(
        "13.4.2",
        "debugging shows nothing more of anybody",
        ("security/test_rows_leaks.py::test_nothing_of_a_person_leaks_whatever_fails",),
    ),
    Item(
        "14.1.1, 14.2.4",
        "every field has a class, which decides how it is kept",
        (
            "privacy/test_classes.py::test_every_field_says_its_class",
            "privacy/test_canary.py::test_health_goes_sooner_and_leaves_the_rest",
        ),
    ),
    Item(
        "14.2.7",
        "what is out of time goes by itself",
        ("privacy/test_canary.py::test_what_is_due_goes_by_itself_and_nothing_else",),
    ),
    Item(
        "14.2.8",
        "what a phone adds to a photograph after its end is not kept",
        ("security/test_rows_uploads.py::test_of_a_phone_s_photograph_the_images_alone_are_kept",),
        "what stands within the image (Exif) is kept: it may be evidence",
    ),
    Item(
        "15.1.2",
        "an inventory of all libraries",
        (
            "supply/test_sbom.py::test_it_holds_every_package_with_its_version_its_hashes_and_its_licence",
            "supply/test_locks.py::test_every_requirement_is_locked_to_a_version_and_to_hashes",
        ),
    ),
    Item(
        "15.2.1",
        "no library with a known vulnerability",
        ("supply/test_audit.py::test_a_known_vulnerability_stops_the_check_and_says_what_mends_it",),
    ),
    Item("15.3.2", "no redirect is followed", ("connectors/test_http.py::test_a_redirect_is_never_followed",)),
    Item(
        "15.3.3, 15.3.5",
        "no field beyond those declared, each of its own type",
        ("hub/test_api_bad_input.py::test_a_submission_that_cannot_be_is_refused_where_it_is_wrong",),
    ),
    Item(
        "16.1.1",
        "an inventory of logs",
        ("security/test_inventory.py::test_every_field_of_the_log_is_in_it",),
        "`hub security inventory`",
    ),
    Item(
        "16.2.1, 16.2.2, 16.2.4",
        "lines say when (UTC), where, what and about which request, as JSON",
        (
            "hub/test_logs.py::test_what_happens_for_a_delivery_names_its_request_and_its_trace",
            "hub/test_logs.py::test_a_hub_that_starts_logs_lines_of_json_and_nothing_else",
        ),
    ),
    Item(
        "16.2.5",
        "no personal data and no secret in a line",
        (
            "hub/test_logs.py::test_a_field_that_is_not_listed_is_left_out_and_counted",
            "hub/test_logs.py::test_every_line_of_the_project_is_a_sentence_of_the_code_with_listed_fields",
            "security/test_rows_leaks.py::test_nothing_of_a_person_leaks_whatever_fails",
        ),
    ),
    Item(
        "16.3.1, 16.3.2",
        "who entered, who was refused, and what was seen and done, is in the audit",
        (
            "hub/test_audited.py::test_every_operation_of_the_ledger_is_audited_or_has_a_reason_not_to_be",
            "hub/test_audited.py::test_a_stranger_to_a_request_is_a_row_with_its_number",
            "hub/test_audited.py::test_who_shows_no_key_is_refused_in_two_rows_however_often",
        ),
    ),
    Item(
        "16.4.1",
        "nothing that comes in can make a line of its own",
        ("hub/test_logs.py::test_a_long_text_is_cut_and_cannot_make_a_second_line",),
    ),
    Item(
        "16.4.2, 16.4.3",
        "a change to the audit shows, against an anchor kept elsewhere",
        (
            "hub/test_audit.py::test_an_edited_row_is_named",
            "hub/test_audit.py::test_a_ledger_put_back_to_an_earlier_copy_is_only_seen_with_an_anchor",
        ),
    ),
    Item(
        "16.5.1",
        "an error says nothing of the inside, nor of what came in",
        (
            "hub/test_problems.py::test_every_error_is_a_problem_that_does_not_echo",
            "hub/test_problems.py::test_the_server_s_log_names_an_unknown_error_and_its_place_but_not_its_text",
        ),
    ),
    Item(
        "16.5.2",
        "what is down is left alone, and everything else goes on",
        (
            "engine/test_limits.py::test_the_breaker_opens_after_enough_failures_and_one_delivery_tries_it_again",
            "security/test_rows_uploads.py::test_while_the_scanner_is_down_no_file_is_taken_and_requests_without_files_are",
        ),
    ),
    Item(
        "16.5.3",
        "what fails, fails closed",
        (
            "security/test_rows_uploads.py::test_whatever_is_not_a_clear_yes_keeps_nothing",
            "hub/test_audited.py::test_an_act_whose_row_cannot_be_written_is_not_done",
        ),
    ),
)
"""The requirements of levels 1 and 2 that bear on what the hub itself does, in their order."""
