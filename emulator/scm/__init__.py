"""
Kudu, the SCM host of every slot: takes uploads and shows deployments. It knows nothing of ARM.

Behaviour and words: projectkudu/kudu and Azure-App-Service/KuduLite (PushDeploymentController,
DeploymentController, SettingsController, DeployResult), and answers of Azure in public transcripts.
"""
